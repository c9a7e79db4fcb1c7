package pool

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
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

// balanced judges the balancer's work. Messages hold no figures that change from
// round to round: a quiet cluster is quiet (invariant 7).
func (v *view) balanced() opinion {
	b := v.decision.Balance
	switch {
	case !v.wanted.balances():
		return opinion{metav1.ConditionUnknown, v1alpha1.ReasonRebalancingOff, "experts.rebalancing.mode is Off"}
	case moving(v.decision.Doc):
		return v.movingOn()
	case v.memory.missed > toleratedMisses:
		return no(v1alpha1.ReasonLoadUnknown, "nodes have not told their load: %s", v.silentNodes())
	case v.expertBytes() > v.wanted.bytesPerMinute():
		return no(v1alpha1.ReasonBudgetTooSmall, "experts.rebalancing.maxBytesPerMinute is less than one expert of %d bytes: raise it, or set mode: Off", v.expertBytes())
	case b != nil:
		return v.judged(b)
	case v.looked && v.memory.missed == 0:
		return v.unlearnt()
	}
	return v.asBefore()
}

// unlearnt is the verdict of a look that cannot be judged: TooFewTokens if that is why,
// else what the last judgement said, until that is as old as what plans are made from may
// be.
func (v *view) unlearnt() opinion {
	if v.tooFewTokens() {
		return opinion{metav1.ConditionUnknown, v1alpha1.ReasonTooFewTokens, "too few tokens in a whole window to tell loads from chance"}
	}
	if v.now.Sub(v.memory.judged) > 2*v.wanted.window() {
		return no(v1alpha1.ReasonLoadUnknown, "the load has not been judged for two windows: %s", v.whyUnlearnt())
	}
	switch last := conditions.Of(v.pool.Status.Conditions, v1alpha1.ConditionBalanced); last.Reason {
	case v1alpha1.ReasonBalanced, v1alpha1.ReasonBudgetSpent:
		return opinion{last.Status, last.Reason, last.Message}
	}
	return opinion{metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "nodes or traffic are changing: the load is judged after that"}
}

// whyUnlearnt names the nodes that keep the load from being judged.
func (v *view) whyUnlearnt() string {
	var short []string
	for _, n := range v.memory.report.Nodes {
		if n.Seconds < wholePart*v.wanted.window().Seconds() {
			short = append(short, n.Name)
		}
	}
	if len(short) == 0 {
		return "nodes or traffic are changing"
	}
	return "too short a time is told by " + listed(short)
}

func no(reason, format string, args ...any) opinion {
	return opinion{metav1.ConditionFalse, reason, fmt.Sprintf(format, args...)}
}

// movingOn is the verdict while experts move. If two intervals pass in which no expert is
// loaded and no router switches, the move is stuck.
func (v *view) movingOn() opinion {
	m := v.memory
	if limit := 2 * v.wanted.lookInterval(); v.now.Sub(m.since) > limit && v.now.Sub(m.grew) > limit {
		return no(v1alpha1.ReasonMoveStuck, "placement %d has been waiting for more than two intervals, in which no node has loaded an expert, for %s", m.target, v.decision.Waiting)
	}
	return no(v1alpha1.ReasonMoving, "experts are loaded where placement %d has them", v.decision.Doc.Target.Epoch)
}

// judged: the loads were looked at.
func (v *view) judged(b *rollout.Balance) opinion {
	switch {
	case b.Err != nil:
		return no(v1alpha1.ReasonPlacementFailed, "no placement can be made from the load: %v", b.Err)
	case b.TooSmall:
		return no(v1alpha1.ReasonBudgetTooSmall, "experts.rebalancing.maxBytesPerMinute allows %d experts of %d bytes, and moves that are worth it change more at once: raise it, or set mode: Off",
			v.movesPerMinute(), v.expertBytes())
	case b.Worth:
		return no(v1alpha1.ReasonBudgetSpent, "moves that are worth it wait until experts.rebalancing.maxBytesPerMinute allows them")
	}
	return opinion{metav1.ConditionTrue, v1alpha1.ReasonBalanced, "no move of experts is worth its bytes"}
}

// asBefore: the loads were not looked at in this round, as in most, or not heard.
func (v *view) asBefore() opinion {
	m, limit := v.memory, 2*v.wanted.lookInterval()
	if len(v.pods.waited) > 0 && m.judges != 0 && v.now.Sub(m.looked) > limit && v.now.Sub(m.judged) > limit {
		return no(v1alpha1.ReasonLoadUnknown, "the load is not looked at while routers wait for %s", listed(slices.Compact(slices.Sorted(slices.Values(v.pods.waited)))))
	}
	last := conditions.Of(v.pool.Status.Conditions, v1alpha1.ConditionBalanced)
	switch last.Reason {
	case v1alpha1.ReasonMoving, v1alpha1.ReasonMoveStuck, v1alpha1.ReasonRebalancingOff:
		return opinion{metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "the load is looked at next"}
	}
	return opinion{last.Status, last.Reason, last.Message}
}

// moving says whether the document moves experts between the same nodes.
func moving(doc *placement.Document) bool {
	if doc == nil || doc.Serving == nil || doc.Target == nil {
		return false
	}
	return slices.EqualFunc(doc.Serving.Nodes, doc.Target.Nodes, func(a, b placement.Node) bool { return a.Name == b.Name })
}

// silentNodes names the nodes of the placement that did not tell their load.
func (v *view) silentNodes() string {
	if text := faults(v.memory.report); text != "" {
		return text
	}
	return "they cannot be reached"
}

// setBalanced writes the condition and tells of trouble.
func (r *Reconciler) setBalanced(v *view, s *v1alpha1.ExpertPoolStatus) {
	o := v.opinion
	was := conditions.Of(s.Conditions, v1alpha1.ConditionBalanced)
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionBalanced, Status: o.status, Reason: o.reason, Message: o.message,
		ObservedGeneration: v.pool.Generation, LastTransitionTime: metav1.NewTime(v.now),
	})
	if was.Reason != o.reason && slices.Contains(troubled, o.reason) {
		r.Events.Eventf(v.pool, nil, corev1.EventTypeWarning, o.reason, "Rebalance", "%s", o.message)
	}
}

// follow notes since when which placement is being prepared.
func (v *view) follow() {
	var epoch int64
	if doc := v.decision.Doc; doc != nil && doc.Target != nil {
		epoch = doc.Target.Epoch
	}
	if v.memory.target != epoch {
		v.memory.target, v.memory.since = epoch, v.now
	}
}

// fillLoad tells the measured load: at most once in a window, and nothing while
// there is none, so that a pool without traffic is not written. Balancedness counts
// experts as long as there are too few tokens. A time ahead of the clock is no time at which
// it was told.
func (v *view) fillLoad(s *v1alpha1.ExpertPoolStatus) {
	if !v.looked || v.memory.missed > 0 {
		return
	}
	sum := &v.memory.report.Summary
	switch told := s.Load != nil && s.Load.TokensPerSecond != noTokens; {
	case !told && sum.TokensPerSecond == 0:
	case s.Load != nil && !s.Load.Time.After(v.now) && v.now.Sub(s.Load.Time.Time) < v.wanted.window():
		return
	default:
		s.Load = v.loadStatus()
	}
	if v.fewTokens() {
		tellBalance(s, current(v.decision.Doc).Balancedness(nil))
		return
	}
	tellBalance(s, sum.Balancedness)
}

// noTokens is how the status writes that there are none.
const noTokens = "0.0"

// tellBalance shows the balancedness of each layer, and the worst.
func tellBalance(s *v1alpha1.ExpertPoolStatus, layers []float64) {
	s.Balancedness = nil
	for _, b := range layers {
		s.Balancedness = append(s.Balancedness, fmt.Sprintf("%.2f", b))
	}
	s.Summary.Balancedness = fmt.Sprintf("%.2f", slices.Min(layers))
}

func (v *view) loadStatus() *v1alpha1.LoadStatus {
	sum := &v.memory.report.Summary
	out := &v1alpha1.LoadStatus{Time: metav1.NewTime(v.now), TokensPerSecond: fmt.Sprintf("%.1f", sum.TokensPerSecond)}
	if h := sum.Hottest; h != nil {
		out.HottestExpert = &v1alpha1.HottestExpert{Layer: int32(h.Layer), Expert: int32(h.Expert), TimesMean: fmt.Sprintf("%.2f", h.TimesMean)} //nolint:gosec // a model's dimensions
	}
	if b := sum.Busiest; b != nil {
		queue := time.Duration(b.MeanQueueSeconds * float64(time.Second))
		out.BusiestNode = &v1alpha1.BusiestNode{
			Name: b.Node, Utilization: fmt.Sprintf("%.2f", b.Utilisation),
			QueueMilliseconds: fmt.Sprintf("%.2f", float64(queue.Microseconds())/1000),
		}
	}
	return out
}
