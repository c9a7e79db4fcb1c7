package pool

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
)

// balanceCondition is what the Balanced condition says.
type balanceCondition struct {
	status          metav1.ConditionStatus
	reason, message string
}

// troubled are the reasons for which somebody should look: a balancer that does
// not do its work says so (event, metric olmoe_pool_balancer_ok).
var troubled = []string{
	v1alpha1.ReasonLoadUnknown, v1alpha1.ReasonMoveStuck, v1alpha1.ReasonPlacementFailed, v1alpha1.ReasonBudgetTooSmall,
}

// balancing is what the balancer's work is judged by.
type balancing struct {
	wanted   wanted
	looks    *looks
	looked   bool // in this round
	move     *move
	budget   budget
	decision *rollout.Decision
	waited   []string         // nodes that routers wait for
	last     metav1.Condition // as it was before this round
	now      time.Time
}

// condition judges the balancer's work. Messages hold no figures that change from
// round to round: a quiet cluster is quiet (invariant 7).
func (b balancing) condition() balanceCondition {
	switch {
	case !b.wanted.balances():
		return balanceCondition{metav1.ConditionUnknown, v1alpha1.ReasonRebalancingOff, "experts.rebalancing.mode is Off"}
	case moving(b.decision.Doc):
		return b.movingOn()
	case b.looks.missed > toleratedMisses:
		return notBalanced(v1alpha1.ReasonLoadUnknown, "nodes have not told their load: %s", b.looks.silent())
	case b.budget.expertBytes > b.budget.bytesPerMinute:
		return notBalanced(v1alpha1.ReasonBudgetTooSmall, "experts.rebalancing.maxBytesPerMinute is less than one expert of %d bytes: raise it, or set mode: Off", b.budget.expertBytes)
	case b.decision.Balance != nil:
		return b.judged(b.decision.Balance)
	case b.looked && b.looks.missed == 0:
		return b.unlearnt()
	}
	return b.asBefore()
}

// movingOn is the verdict while experts move. If two intervals pass in which no expert is
// loaded and no router switches, the move is stuck.
func (b balancing) movingOn() balanceCondition {
	if b.move.stuck(2*b.wanted.lookInterval(), b.now) {
		return notBalanced(v1alpha1.ReasonMoveStuck, "placement %d has been waiting for two intervals, in which no node has loaded an expert, for %s", b.move.target, b.decision.Waiting)
	}
	return notBalanced(v1alpha1.ReasonMoving, "experts are loaded where placement %d has them", b.decision.Doc.Target.Epoch)
}

// judged: the loads were looked at.
func (b balancing) judged(found *rollout.Balance) balanceCondition {
	switch {
	case found.Err != nil:
		return notBalanced(v1alpha1.ReasonPlacementFailed, "no placement can be made from the load: %v", found.Err)
	case found.TooSmall:
		return notBalanced(v1alpha1.ReasonBudgetTooSmall, "experts.rebalancing.maxBytesPerMinute allows %d experts of %d bytes, and moves that are worth it change more at once: raise it, or set mode: Off",
			b.budget.perMinute(), b.budget.expertBytes)
	case found.Worth:
		return notBalanced(v1alpha1.ReasonBudgetSpent, "moves that are worth it wait until experts.rebalancing.maxBytesPerMinute allows them")
	}
	return balanceCondition{metav1.ConditionTrue, v1alpha1.ReasonBalanced, "no move of experts is worth its bytes"}
}

// unlearnt is the verdict of a look that cannot be judged: TooFewTokens if that is why,
// LoadUnknown if nodes tell too little and do not get on, else what the last judgement said,
// until that is as old as what plans are made from may be: a node that starts needs a whole
// window, and so may a change of traffic after that.
func (b balancing) unlearnt() balanceCondition {
	window := b.wanted.window()
	if b.looks.tooFewTokens(window) {
		return balanceCondition{metav1.ConditionUnknown, v1alpha1.ReasonTooFewTokens, "too few tokens in a whole window to tell loads from chance"}
	}
	old := b.now.Sub(b.looks.judged) > 2*window
	switch short := b.looks.short(window); {
	case len(short) > 0 && (old || b.looks.shortLooks > toleratedShort):
		return notBalanced(v1alpha1.ReasonLoadUnknown, "the load cannot be judged: too short a time is told by %s", listed(short))
	case old:
		return notBalanced(v1alpha1.ReasonLoadUnknown, "the load has not been judged for two windows: nodes or traffic are changing")
	}
	switch b.last.Reason {
	case v1alpha1.ReasonBalanced, v1alpha1.ReasonBudgetSpent:
		return balanceCondition{b.last.Status, b.last.Reason, b.last.Message}
	}
	return balanceCondition{metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "nodes or traffic are changing: the load is judged after that"}
}

// asBefore: the loads were not looked at in this round, as in most, or not heard.
func (b balancing) asBefore() balanceCondition {
	l, limit := b.looks, 2*b.wanted.lookInterval()
	if len(b.waited) > 0 && l.judges != 0 && b.now.Sub(l.last) > limit && b.now.Sub(l.judged) > limit {
		return notBalanced(v1alpha1.ReasonLoadUnknown, "the load is not looked at while routers wait for %s", listed(slices.Compact(slices.Sorted(slices.Values(b.waited)))))
	}
	switch b.last.Reason {
	case v1alpha1.ReasonMoving, v1alpha1.ReasonMoveStuck, v1alpha1.ReasonRebalancingOff:
		return balanceCondition{metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "the load is looked at next"}
	}
	return balanceCondition{b.last.Status, b.last.Reason, b.last.Message}
}

func notBalanced(reason, format string, args ...any) balanceCondition {
	return balanceCondition{metav1.ConditionFalse, reason, fmt.Sprintf(format, args...)}
}
