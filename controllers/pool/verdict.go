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

// verdict is what the conditions say.
func (s readiness) verdict() conditions.Verdict {
	v := s.judge()
	v.Available = s.total > 0 && s.owned == s.total
	return v
}

// judge says the first that applies, the worst first.
func (s readiness) judge() conditions.Verdict {
	doc, problem, waits := s.decision.Doc, s.problem, s.waits()
	if problem == nil && waits != "" {
		problem = s.silence
	}
	switch {
	case s.refused != nil:
		return s.refused.Verdict()
	case s.decision.Problem != nil:
		return s.unplaced(s.decision.Problem)
	case !s.followed:
		return conditions.Waiting(v1alpha1.ReasonProgressing, "waiting for %s", s.missing) // pods are those of the spec before
	case problem != nil:
		return problem.Verdict()
	case waits != "" && doc != nil && doc.Serving != nil && doc.Target != nil:
		return conditions.Waiting(v1alpha1.ReasonRebalancing, "experts are moving to placement %d: waiting for %s", doc.Target.Epoch, waits)
	case waits != "":
		return conditions.Waiting(v1alpha1.ReasonProgressing, "waiting for %s", waits)
	case s.owned < s.total:
		return conditions.Waiting(v1alpha1.ReasonExpertsNotCovered, "%d of %d experts have no ready owner: waiting for %s", s.total-s.owned, s.total, s.missing)
	case s.missing != "":
		return conditions.Waiting(v1alpha1.ReasonExpertNodesNotReady, "every expert has an owner; waiting for %s", s.missing)
	case !s.decision.AsWanted: // as after a target that was taken back
		return conditions.Waiting(v1alpha1.ReasonProgressing, "waiting for a placement as the spec wants it")
	}
	return conditions.Ready(fmt.Sprintf("%d expert nodes hold all %d experts", s.nodes, s.total))
}

// unplaced: no placement as the spec wants it can be made.
func (s readiness) unplaced(p *rollout.Problem) conditions.Verdict {
	if s.makesRoom {
		return conditions.Waiting(v1alpha1.ReasonProgressing, "nodes are added: %s", p.Message)
	}
	return conditions.Stalled(p.Reason, p.Message)
}

// makesRoom says whether all that keeps the placement from being made are nodes that the
// autoscaler adds.
func makesRoom(p *rollout.Problem, w wanted, k kept) bool {
	return p != nil && p.Reason == v1alpha1.ReasonNotEnoughSlots && w.scales() &&
		k.scaling != nil && k.scaling.Reason == autoscale.ReasonBelowMinimum
}
