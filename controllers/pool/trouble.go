package pool

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
)

// troubles are what somebody has to mend.
type troubles struct {
	problems map[string]*diagnose.Problem // of expert nodes, by pod
	refusal  *diagnose.Problem            // the cluster does not take pods at all
}

// stuck says whether nobody waits for a pod: somebody has to act before it can start.
func (t troubles) stuck(pod string) bool {
	p := t.problems[pod]
	return p != nil && !p.Passing
}

// worst is the most urgent one: those that need somebody before those that may pass,
// then by the pods' ordinals; nil if nothing is wrong. What pods of an older template say
// is no longer true of the spec: they are replaced.
func (t troubles) worst(experts []corev1.Pod, set *nodeSet) *diagnose.Problem {
	var worst *diagnose.Problem
	for i := range experts {
		if !set.outdated(&experts[i]) {
			worst = diagnose.Worse(worst, t.problems[experts[i].Name])
		}
	}
	return diagnose.Worse(worst, t.refusal)
}
