package pool

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
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

func (v *view) readiness() readiness {
	out := readiness{progress: v.progress(), refused: v.refused, problem: v.troubles.worst(v.pods.experts, &v.set), makesRoom: v.makesRoom()}
	out.owned, out.total = covered(v.decision.Doc, v.pods)
	out.silence = diagnose.Worse(
		v.memory.unheard.problem(v.losses(), v.troubles),
		refusalProblem(v.pods.refusals(v.record.doc), v.memory.refused, v.now))
	return out
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
	case s.decision.Problem != nil && s.makesRoom:
		return say(false, v1alpha1.ReasonProgressing, "nodes are added: "+s.decision.Problem.Message)
	case s.decision.Problem != nil: // no placement as the spec wants it can be made
		return say(true, s.decision.Problem.Reason, s.decision.Problem.Message)
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
