package pool

import (
	"fmt"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
)

// limits are those of moves that only loads ask for.
func (v *view) limits() rollout.Rebalance {
	b := v.budget()
	return rollout.Rebalance{Moves: b.perMinute(), Spent: b.spent(), MinGain: max(v.wanted.minGain(), v.memory.looks.gainByChance())}
}

// mayRebalance are the limits of moves for this round; nil if it is not the time:
// only right after a look that told something, and one change at a time.
func (v *view) mayRebalance() *rollout.Rebalance {
	if !v.looked || !v.memory.looks.learnt.Equal(v.now) || !v.wanted.balances() || v.record.doc.Target != nil || v.budget().expertBytes == 0 {
		return nil
	}
	may := v.limits()
	return &may
}

// noteMoves remembers what this round's decision makes nodes load out of the budget.
func (v *view) noteMoves() {
	if v.decision.Doc == v.record.doc {
		return
	}
	var moves int
	switch d := &v.decision; {
	case d.Spread != nil:
		moves = d.Spread.Moves
	case d.Balance != nil:
		moves = d.Balance.Moves
	default:
		return
	}
	v.kept.moved = v.budget().spend(moves)
}

// purpose of a placement that is made because of machines, lost nodes or load; empty for others.
func (v *view) purpose() string {
	if s := v.decision.Spread; s != nil {
		return fmt.Sprintf(", so that %d of the %d experts whose copies share a machine no longer do", s.Before-s.After, s.Before)
	}
	if lost := v.losses().givenUp(v.decision.Doc); len(lost) > 0 {
		return fmt.Sprintf(", since %s did not answer for too long", strings.Join(lost, ", "))
	}
	if v.decision.Balance == nil {
		return ""
	}
	return fmt.Sprintf(", to even out work that is %.0f %% reading weights", 100*v.memory.looks.work.Reading(v.memory.looks.report.Nodes))
}
