package pool

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
)

// readiness is what the conditions Ready, Reconciling, Stalled and Available are judged by.
type readiness struct {
	progress
	owned, total int               // experts of all layers that have a ready owner, and all
	refused      *diagnose.Problem // what kept the children from being made
	problem      *diagnose.Problem // the worst of the pods
	silence      *diagnose.Problem // pods that do not answer or refuse: if something is waited for
	makesRoom    bool              // nodes are added, which is all that the placement needs
}

// verdict is the first that applies, the worst first.
func (s readiness) verdict() conditions.Verdict {
	out := conditions.Verdict{Available: s.total > 0 && s.owned == s.total}
	say := func(isStalled bool, reason, message string) conditions.Verdict {
		out.Stalled, out.Reason, out.Message = isStalled, reason, message
		return out
	}
	waiting := func(reason, format string, args ...any) conditions.Verdict {
		return say(false, reason, fmt.Sprintf(format, args...))
	}
	doc, problem, waits := s.decision.Doc, s.problem, s.waits()
	if problem == nil && waits != "" {
		problem = s.silence
	}
	switch {
	case s.refused != nil:
		return say(s.refused.Reason != v1alpha1.ReasonProgressing, s.refused.Reason, s.refused.Message)
	case s.decision.Problem != nil:
		return s.unplaced(out)
	case !s.followed:
		return waiting(v1alpha1.ReasonProgressing, "waiting for %s", s.missing) // pods are those of the spec before
	case problem != nil:
		return say(!problem.Passing, problem.Reason, problem.Message)
	case waits != "" && doc != nil && doc.Serving != nil && doc.Target != nil:
		return waiting(v1alpha1.ReasonRebalancing, "experts are moving to placement %d: waiting for %s", doc.Target.Epoch, waits)
	case waits != "":
		return waiting(v1alpha1.ReasonProgressing, "waiting for %s", waits)
	case s.owned < s.total:
		return waiting(v1alpha1.ReasonExpertsNotCovered, "%d of %d experts have no ready owner: waiting for %s", s.total-s.owned, s.total, s.missing)
	case s.missing != "":
		return waiting(v1alpha1.ReasonExpertNodesNotReady, "every expert has an owner; waiting for %s", s.missing)
	case !s.decision.AsWanted: // as after a target that was taken back
		return waiting(v1alpha1.ReasonProgressing, "waiting for a placement as the spec wants it")
	}
	out.Ready, out.Reason = true, v1alpha1.ReasonAsWanted
	out.Message = fmt.Sprintf("%d expert nodes hold all %d experts", s.nodes, s.total)
	return out
}

// unplaced: no placement as the spec wants it can be made.
func (s readiness) unplaced(out conditions.Verdict) conditions.Verdict {
	p := s.decision.Problem
	out.Stalled, out.Reason, out.Message = true, p.Reason, p.Message
	if s.makesRoom {
		out.Stalled, out.Reason, out.Message = false, v1alpha1.ReasonProgressing, "nodes are added: "+p.Message
	}
	return out
}

// makesRoom says whether all that keeps the placement from being made are nodes that the
// autoscaler adds.
func makesRoom(p *rollout.Problem, w wanted, k kept) bool {
	return p != nil && p.Reason == rollout.NotEnoughSlots && w.scales() &&
		k.scaling != nil && k.scaling.Reason == autoscale.ReasonBelowMinimum
}
