package pool

import (
	"context"
	"time"

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

// diagnose finds what somebody has to mend, by what is known of events.
func (r *Reconciler) diagnose(v *view) {
	v.troubles.problems = map[string]*diagnose.Problem{}
	for i := range v.pods.experts {
		if p := r.events.Problem(&v.pods.experts[i], v.now); p != nil {
			v.troubles.problems[v.pods.experts[i].Name] = p
		}
	}
}

// lookAtEvents finds what only events tell, for the status and the next round. It comes
// after everything else that a round does: the API server may take its time.
func (r *Reconciler) lookAtEvents(ctx context.Context, v *view) {
	if len(v.pods.waited) > 0 {
		return
	}
	experts, set := v.pods.experts, &v.set.live
	r.events.Look(ctx, r.Live, experts, v.now)
	r.diagnose(v)
	if set.UID == "" || len(experts) >= int(*set.Spec.Replicas) {
		return
	}
	var newest time.Time
	for i := range experts {
		if at := experts[i].CreationTimestamp.Time; at.After(newest) {
			newest = at
		}
	}
	v.troubles.refusal = r.events.Refused(ctx, r.Live, set, newest, v.now)
}
