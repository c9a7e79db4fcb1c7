package pool

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
)

// opinion is what the Balanced condition says.
type opinion struct {
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

// opinion judges the balancer's work. Messages hold no figures that change from
// round to round: a quiet cluster is quiet (invariant 7).
func (b balancing) opinion() opinion {
	switch {
	case !b.wanted.balances():
		return opinion{metav1.ConditionUnknown, v1alpha1.ReasonRebalancingOff, "experts.rebalancing.mode is Off"}
	case moving(b.decision.Doc):
		return b.movingOn()
	case b.looks.missed > toleratedMisses:
		return no(v1alpha1.ReasonLoadUnknown, "nodes have not told their load: %s", b.looks.silent())
	case b.budget.expertBytes > b.budget.bytesPerMinute:
		return no(v1alpha1.ReasonBudgetTooSmall, "experts.rebalancing.maxBytesPerMinute is less than one expert of %d bytes: raise it, or set mode: Off", b.budget.expertBytes)
	case b.decision.Balance != nil:
		return b.judged(b.decision.Balance)
	case b.looked && b.looks.missed == 0:
		return b.unlearnt()
	}
	return b.asBefore()
}

// movingOn is the verdict while experts move. If two intervals pass in which no expert is
// loaded and no router switches, the move is stuck.
func (b balancing) movingOn() opinion {
	if b.move.stuck(2*b.wanted.lookInterval(), b.now) {
		return no(v1alpha1.ReasonMoveStuck, "placement %d has been waiting for more than two intervals, in which no node has loaded an expert, for %s", b.move.target, b.decision.Waiting)
	}
	return no(v1alpha1.ReasonMoving, "experts are loaded where placement %d has them", b.decision.Doc.Target.Epoch)
}

// judged: the loads were looked at.
func (b balancing) judged(found *rollout.Balance) opinion {
	switch {
	case found.Err != nil:
		return no(v1alpha1.ReasonPlacementFailed, "no placement can be made from the load: %v", found.Err)
	case found.TooSmall:
		return no(v1alpha1.ReasonBudgetTooSmall, "experts.rebalancing.maxBytesPerMinute allows %d experts of %d bytes, and moves that are worth it change more at once: raise it, or set mode: Off",
			b.budget.perMinute(), b.budget.expertBytes)
	case found.Worth:
		return no(v1alpha1.ReasonBudgetSpent, "moves that are worth it wait until experts.rebalancing.maxBytesPerMinute allows them")
	}
	return opinion{metav1.ConditionTrue, v1alpha1.ReasonBalanced, "no move of experts is worth its bytes"}
}

// unlearnt is the verdict of a look that cannot be judged: TooFewTokens if that is why,
// else what the last judgement said, until that is as old as what plans are made from may
// be.
func (b balancing) unlearnt() opinion {
	window := b.wanted.window()
	if b.looks.tooFewTokens(window) {
		return opinion{metav1.ConditionUnknown, v1alpha1.ReasonTooFewTokens, "too few tokens in a whole window to tell loads from chance"}
	}
	if b.now.Sub(b.looks.judged) > 2*window {
		why := "nodes or traffic are changing"
		if short := b.looks.short(window); len(short) > 0 {
			why = "too short a time is told by " + listed(short)
		}
		return no(v1alpha1.ReasonLoadUnknown, "the load has not been judged for two windows: %s", why)
	}
	switch b.last.Reason {
	case v1alpha1.ReasonBalanced, v1alpha1.ReasonBudgetSpent:
		return opinion{b.last.Status, b.last.Reason, b.last.Message}
	}
	return opinion{metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "nodes or traffic are changing: the load is judged after that"}
}

// asBefore: the loads were not looked at in this round, as in most, or not heard.
func (b balancing) asBefore() opinion {
	l, limit := b.looks, 2*b.wanted.lookInterval()
	if len(b.waited) > 0 && l.judges != 0 && b.now.Sub(l.last) > limit && b.now.Sub(l.judged) > limit {
		return no(v1alpha1.ReasonLoadUnknown, "the load is not looked at while routers wait for %s", listed(slices.Compact(slices.Sorted(slices.Values(b.waited)))))
	}
	switch b.last.Reason {
	case v1alpha1.ReasonMoving, v1alpha1.ReasonMoveStuck, v1alpha1.ReasonRebalancingOff:
		return opinion{metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "the load is looked at next"}
	}
	return opinion{b.last.Status, b.last.Reason, b.last.Message}
}

func no(reason, format string, args ...any) opinion {
	return opinion{metav1.ConditionFalse, reason, fmt.Sprintf(format, args...)}
}
