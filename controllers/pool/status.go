package pool

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
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
	s.Replicas = int32(len(v.pods.experts)) //nolint:gosec // at most 256
	s.ReadyReplicas = int32(v.pods.ready()) //nolint:gosec // at most 256
	s.Selector = labels.SelectorFromSet(podspec.Selector(v.pool.Name, podspec.ExpertNode)).String()
	s.Placement = toStatus(v.decision.Doc)
	if m := v.pods.model(v.decision.Doc); m != nil {
		s.Model = m
	}
	s.Rebalancing, s.Scaling = v.kept.moved, v.kept.scaling
	owned, total := covered(v.decision.Doc, v.pods)
	s.Summary.ExpertNodes = fmt.Sprintf("%d/%d", v.pods.ready(), v.wanted.nodes())
	if total == 0 {
		s.Summary.Experts, s.Summary.Balancedness, s.Balancedness = "", "", nil
		return
	}
	s.Summary.Experts = fmt.Sprintf("%d/%d", owned, total)
	if s.Load == nil {
		tellBalance(s, current(v.decision.Doc).Balancedness(nil)) // counts experts, as long as no load was measured
	}
	v.fillLoad(s)
}

// absent are the wanted nodes that are not there, and ready.
func (v *view) absent() []placement.Node {
	return v.set.absent(v.pods, v.wanted.members(v.wanted.nodes()))
}

// missing names what the StatefulSet still has to bring about; empty if nothing.
func (v *view) missing() string {
	return v.set.missing(v.pods, v.wanted.members(v.wanted.nodes()))
}

// verdict judges the round: the first that applies, the worst first.
func (v *view) verdict() conditions.Verdict {
	owned, total := covered(v.decision.Doc, v.pods)
	out := conditions.Verdict{Available: total > 0 && owned == total}
	say := func(isStalled bool, reason, message string) conditions.Verdict {
		out.Stalled, out.Reason, out.Message = isStalled, reason, message
		return out
	}
	waiting := func(reason, format string, args ...any) conditions.Verdict {
		return say(false, reason, fmt.Sprintf(format, args...))
	}
	doc, problem, missing := v.decision.Doc, v.troubles.worst(v.pods.experts, &v.set), v.waits()
	if problem == nil && missing != "" {
		problem = diagnose.Worse(
			v.memory.unheard.problem(v.losses(), v.troubles),
			refusalProblem(v.pods.refusals(v.record.doc), v.memory.refused, v.now))
	}
	switch {
	case v.refused != nil:
		return say(v.refused.Reason != v1alpha1.ReasonProgressing, v.refused.Reason, v.refused.Message)
	case v.decision.Problem != nil:
		return v.unplaced(out)
	case !v.set.followed():
		return waiting(v1alpha1.ReasonProgressing, "waiting for %s", v.missing()) // pods are those of the spec before
	case problem != nil:
		return say(!problem.Passing, problem.Reason, problem.Message)
	case missing != "" && doc != nil && doc.Serving != nil && doc.Target != nil:
		return waiting(v1alpha1.ReasonRebalancing, "experts are moving to placement %d: waiting for %s", doc.Target.Epoch, missing)
	case missing != "":
		return waiting(v1alpha1.ReasonProgressing, "waiting for %s", missing)
	case owned < total:
		return waiting(v1alpha1.ReasonExpertsNotCovered, "%d of %d experts have no ready owner: waiting for %s", total-owned, total, v.missing())
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
	if v.decision.AsWanted && (moving(v.decision.Doc) || moving(v.record.doc)) {
		return ""
	}
	return v.decision.Waiting
}

// listed is names in a message, some of them if they are many.
func listed(names []string) string {
	const most = 3
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}
