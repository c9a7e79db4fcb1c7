package pool

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// writeStatus writes the status if it differs; this controller is its only writer.
func (r *Reconciler) writeStatus(ctx context.Context, v *view) error {
	next := v.pool.DeepCopy()
	v.fill(&next.Status)
	verdict := v.verdict()
	conditions.Set(&next.Status.Conditions, v.pool.Generation, v.now, verdict)
	r.setBalanced(v, &next.Status)
	if equality.Semantic.DeepEqual(v.pool.Status, next.Status) {
		return nil
	}
	patch := client.MergeFrom(v.pool)
	if !equality.Semantic.DeepEqual(v.pool.Status.Placement, next.Status.Placement) {
		// This round may have read an old pool: a difference to it would mix two copies.
		patch = client.MergeFromWithOptions(v.pool, client.MergeFromWithOptimisticLock{})
	}
	if err := r.Client.Status().Patch(ctx, next, patch); err != nil {
		return client.IgnoreNotFound(err)
	}
	conditions.Tell(r.Events, v.pool, v.pool.Status.Conditions, verdict)
	return nil
}

func (v *view) fill(s *v1alpha1.ExpertPoolStatus) {
	s.ObservedGeneration = v.pool.Generation
	s.Replicas = int32(len(v.experts)) //nolint:gosec // at most 256
	s.ReadyReplicas = int32(v.ready()) //nolint:gosec // at most 256
	s.Selector = labels.SelectorFromSet(podspec.Selector(v.pool.Name, podspec.ExpertNode)).String()
	s.Placement = toStatus(v.decision.Doc)
	if m := v.modelInfo(); m != nil {
		s.Model = m
	}
	s.Rebalancing, s.Scaling = v.moved, v.scaling
	covered, total := v.covered()
	s.Summary.ExpertNodes = fmt.Sprintf("%d/%d", v.ready(), v.wanted.nodes())
	if total == 0 {
		s.Summary.Experts, s.Summary.Balancedness, s.Balancedness = "", "", nil
		return
	}
	s.Summary.Experts = fmt.Sprintf("%d/%d", covered, total)
	if s.Load == nil {
		tellBalance(s, current(v.decision.Doc).Balancedness(nil)) // counts experts, as long as no load was measured
	}
	v.fillLoad(s)
}

// modelInfo is what the first expert node that knows its model says; nil while
// none does, and the status then keeps what it has.
func (v *view) modelInfo() *v1alpha1.ModelInfo {
	for i := range v.experts {
		a := v.answers[v.experts[i].Name].Report
		if a == nil || a.Model == nil || v.decision.Doc != nil && a.Model.Fingerprint != v.decision.Doc.Model {
			continue
		}
		m := a.Model
		return &v1alpha1.ModelInfo{ //nolint:gosec // a model's dimensions
			Fingerprint: m.Fingerprint, Name: m.Name, Layers: int32(m.Layers), Experts: int32(m.Experts),
			ExpertsPerToken: int32(m.ExpertsPerToken), ContextLength: int32(m.ContextLength),
			ExpertBytes: m.ExpertBytes, RouterBytes: m.RouterBytes,
		}
	}
	return nil
}

func (v *view) ready() (n int) {
	for i := range v.experts {
		if diagnose.Ready(&v.experts[i]) {
			n++
		}
	}
	return n
}

// current is the placement that routers use.
func current(doc *placement.Document) *placement.Placement {
	switch {
	case doc == nil:
		return nil
	case doc.Serving != nil:
		return doc.Serving
	}
	return doc.Target
}

// covered counts the (layer, expert) pairs that have a ready owner, and all.
func (v *view) covered() (covered, total int) {
	p := current(v.decision.Doc)
	if p == nil {
		return 0, 0
	}
	owned := make([]bool, p.Layers*p.Experts)
	for _, n := range p.Nodes {
		if !v.holds(n.Name, p.Epoch) {
			continue
		}
		for l, experts := range n.Experts {
			for _, e := range experts {
				owned[l*p.Experts+e] = true
			}
		}
	}
	for _, ok := range owned {
		if ok {
			covered++
		}
	}
	return covered, len(owned)
}

// holds says whether a node has loaded its part. At rest the kubelet's probe,
// which asks the pod the same, is enough when the pod is too busy to answer here.
func (v *view) holds(node string, epoch int64) bool {
	if a := v.answers[node].Report; a != nil {
		return a.ReadyEpoch >= epoch && !a.Draining
	}
	p := v.expert(node)
	return p != nil && diagnose.Ready(p) && v.decision.Doc.Target == nil
}

// verdict judges the round: the first that applies, the worst first.
func (v *view) verdict() conditions.Verdict {
	covered, total := v.covered()
	out := conditions.Verdict{Available: total > 0 && covered == total}
	say := func(isStalled bool, reason, message string) conditions.Verdict {
		out.Stalled, out.Reason, out.Message = isStalled, reason, message
		return out
	}
	waiting := func(reason, format string, args ...any) conditions.Verdict {
		return say(false, reason, fmt.Sprintf(format, args...))
	}
	doc, problem, missing := v.decision.Doc, v.problem(), v.waits()
	if problem == nil && missing != "" {
		problem = diagnose.Worse(v.unreachable(), v.refusing())
	}
	switch {
	case v.refused != nil:
		return say(v.refused.Reason != v1alpha1.ReasonProgressing, v.refused.Reason, v.refused.Message)
	case v.decision.Problem != nil:
		return v.unplaced(out)
	case !v.followed():
		return waiting(v1alpha1.ReasonProgressing, "waiting for %s", v.missing()) // pods are those of the spec before
	case problem != nil:
		return say(!problem.Passing, problem.Reason, problem.Message)
	case missing != "" && doc != nil && doc.Serving != nil && doc.Target != nil:
		return waiting(v1alpha1.ReasonRebalancing, "experts are moving to placement %d: waiting for %s", doc.Target.Epoch, missing)
	case missing != "":
		return waiting(v1alpha1.ReasonProgressing, "waiting for %s", missing)
	case covered < total:
		return waiting(v1alpha1.ReasonExpertsNotCovered, "%d of %d experts have no ready owner: waiting for %s", total-covered, total, v.missing())
	case v.missing() != "":
		return waiting(v1alpha1.ReasonExpertNodesNotReady, "every expert has an owner; waiting for %s", v.missing())
	case !v.decision.AsWanted: // as after a target that was taken back
		return waiting(v1alpha1.ReasonProgressing, "waiting for a placement as the spec wants it")
	}
	out.Ready, out.Reason = true, v1alpha1.ReasonAsWanted
	out.Message = fmt.Sprintf("%d expert nodes hold all %d experts", v.wanted.nodes(), total)
	return out
}

// unplaced: no placement as the spec wants it can be made.
func (v *view) unplaced(out conditions.Verdict) conditions.Verdict {
	p := v.decision.Problem
	out.Stalled, out.Reason, out.Message = true, p.Reason, p.Message
	if v.makesRoom() {
		out.Stalled, out.Reason, out.Message = false, v1alpha1.ReasonProgressing, "nodes are added: "+p.Message
	}
	return out
}

// waits says what the placement that the spec wants waits for; empty if nothing, also
// while experts move by load only.
func (v *view) waits() string {
	if v.decision.AsWanted && (moving(v.decision.Doc) || moving(v.doc)) {
		return ""
	}
	return v.decision.Waiting
}

// followed says whether the StatefulSet's controller has looked at the newest one.
func (v *view) followed() bool {
	return !v.wrote && v.set.UID != "" && v.set.Status.ObservedGeneration == v.set.Generation
}

// missing names what the StatefulSet still has to bring about; empty if nothing.
func (v *view) missing() string {
	if !v.followed() {
		return "the StatefulSet " + v.set.Name + " to be looked at by its controller"
	}
	var names []string
	for _, m := range v.absent() {
		names = append(names, m.Name)
	}
	for i := range v.experts {
		if n := v.experts[i].Name; rollout.Ordinal(n) >= v.wanted.nodes() {
			names = append(names, n+" (to leave)")
		}
	}
	return listed(names)
}

// listed is names in a message, some of them if they are many.
func listed(names []string) string {
	const most = 3
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}

// absent are the wanted nodes that are not there as the newest template has them, and
// ready.
func (v *view) absent() (list []placement.Node) {
	for _, m := range v.wanted.members(v.wanted.nodes()) {
		if p := v.expert(m.Name); p == nil || !diagnose.Ready(p) || v.outdated(p) {
			list = append(list, m)
		}
	}
	return list
}

// expert finds a pod by name; nil if it is not there.
func (v *view) expert(name string) *corev1.Pod {
	for i := range v.experts {
		if v.experts[i].Name == name {
			return &v.experts[i]
		}
	}
	return nil
}
