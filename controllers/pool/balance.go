package pool

import (
	"fmt"
	"math"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
)

// chance: a gain counts from so many standard deviations of a node's share.
const chance = 3

// mayRebalance are the limits of moves for this round; nil if it is not the time:
// only right after a look that told something, and one change at a time.
func (v *view) mayRebalance() *rollout.Rebalance {
	if !v.looked || !v.memory.learnt.Equal(v.now) || !v.wanted.balances() || v.record.doc.Target != nil || v.expertBytes() == 0 {
		return nil
	}
	may := v.limits()
	return &may
}

// limits are those of moves that only loads ask for.
func (v *view) limits() rollout.Rebalance {
	return rollout.Rebalance{Moves: v.movesPerMinute(), Spent: v.spent(), MinGain: v.minGain()}
}

// minGain is what moves have to gain: what the spec says, and more than chance does.
func (v *view) minGain() float64 {
	layers := 1
	if v.memory.report != nil {
		layers = max(layers, len(v.memory.report.Summary.Balancedness))
	}
	return max(v.wanted.minGain(), chance/math.Sqrt(max(v.rowsPerNode(), 1)*float64(layers)))
}

// budgetPeriod is a minute, and one second because the stored time has whole seconds.
const budgetPeriod = time.Minute + time.Second

// budget is how many experts may be loaded now because of their load: up to a
// minute's worth at once, and then nothing for a minute, so that no minute, from
// whichever moment it is counted, sees more (invariant 8).
func (v *view) budget() int {
	if v.spent() {
		return 0
	}
	return v.movesPerMinute()
}

func (v *view) spent() bool {
	return v.kept.moved != nil && v.now.Before(v.kept.moved.Time.Add(budgetPeriod))
}

func (v *view) movesPerMinute() int {
	size := v.expertBytes()
	if size == 0 {
		return 0
	}
	return int(v.wanted.bytesPerMinute() / size)
}

// canRebalance says whether experts may ever move because of their load.
func (v *view) canRebalance() bool {
	return v.wanted.balances() && v.movesPerMinute() > 0
}

func (v *view) expertBytes() int64 {
	if m := v.pods.model(v.decision.Doc); m != nil {
		return m.ExpertBytes
	}
	return 0
}

// noteMoves remembers what this round's decision makes nodes load out of the budget.
func (v *view) noteMoves() {
	if v.decision.Doc == v.record.doc {
		return
	}
	var moves int
	switch d := &v.decision; {
	case d.Apart != nil:
		moves = d.Apart.Moves
	case d.Balance != nil:
		moves = d.Balance.Moves
	default:
		return
	}
	v.kept.moved = &v1alpha1.RebalancingStatus{
		Time: metav1.NewTime(v.now.Truncate(time.Second)), Experts: int32(moves), Bytes: int64(moves) * v.expertBytes(), //nolint:gosec // at most layers x experts x nodes
	}
}

// purpose of a placement that is made because of machines, lost nodes or load; empty for others.
func (v *view) purpose() string {
	if a := v.decision.Apart; a != nil {
		return fmt.Sprintf(", so that %d of the %d experts whose copies share a machine no longer do", a.Before-a.After, a.Before)
	}
	if lost := v.losses().givenUp(v.decision.Doc); len(lost) > 0 {
		return fmt.Sprintf(", since %s did not answer for too long", strings.Join(lost, ", "))
	}
	if v.decision.Balance == nil {
		return ""
	}
	return fmt.Sprintf(", to even out work that is %.0f %% reading weights", 100*v.memory.work.Reading(v.memory.report.Nodes))
}
