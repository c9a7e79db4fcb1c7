package pool

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// unreachableAfter is how long a running pod may give no answer before it counts as
// unreachable. A program answers some tenths of a second after its start, and one that
// hangs is started again by its probe.
const unreachableAfter = 30 * time.Second

// unheard is a pod that runs and does not answer.
type unheard struct {
	process string
	since   time.Time
	why     string // empty before unreachableAfter; then the same, so that what is told does not change
	odd     bool   // it can be reached, but what it answers is of no use
}

// tell says what somebody has to mend, of this pod and of more.
func (u unheard) tell(more string) string {
	if u.odd {
		return u.why + more
	}
	return fmt.Sprintf("the operator cannot reach %s%s: let it reach port %d of the pods (NetworkPolicy of their namespace, policy of a service mesh)",
		u.why, more, podspec.PortControl)
}

// unheards are the pods that run and do not answer, by name.
type unheards map[string]unheard

// noted is u with the pods that do not answer now, and without the others. It logs once of
// each that it cannot be reached. said are the pool's conditions.
func (u unheards) noted(pods pods, said []metav1.Condition, now time.Time, log logr.Logger) unheards {
	next, before := unheards{}, u.before(said)
	for p := range pods.all() {
		a, asked := pods.answers[p.Name]
		if !asked || a.Err == nil || p.DeletionTimestamp != nil {
			continue
		}
		one := u[p.Name]
		if one.process != process(p) {
			one = unheard{process: process(p), since: now.Add(-min(before, max(0, now.Sub(began(p)))))}
		}
		if one.why == "" && now.Sub(one.since) >= unreachableAfter {
			one.why, one.odd = a.Err.Error(), errors.Is(a.Err, fleet.ErrAnswer)
			log.Info("a pod runs and does not answer as it should", "error", one.why)
		}
		next[p.Name] = one
	}
	return next
}

// before reads from the conditions for how long, at least, pods have been out of reach
// of the operator before this one, so that a restart does not look like a recovery.
func (u unheards) before(said []metav1.Condition) time.Duration {
	const reason = v1alpha1.ReasonPodsUnreachable
	switch {
	case u != nil:
		return 0
	case conditions.Of(said, v1alpha1.ConditionStalled).Reason == reason:
		return diagnose.Patience
	case conditions.Of(said, v1alpha1.ConditionReconciling).Reason == reason:
		return unreachableAfter // since when is not told
	}
	return 0
}

// began is when the pod's program started.
func began(p *corev1.Pod) (at time.Time) {
	for _, c := range p.Status.ContainerStatuses {
		if r := c.State.Running; r != nil && r.StartedAt.After(at) {
			at = r.StartedAt.Time
		}
	}
	return at
}

// problem is that of pods that run and do not answer; nil if there are none. Nodes that
// are given up are not among them: nobody waits for those.
func (u unheards) problem(l losses, t troubles) *diagnose.Problem {
	var first unheard // the one that has been silent for longest
	count := 0
	for p := range l.pods.all() {
		one := u[p.Name]
		if one.why == "" || t.problems[p.Name] != nil || l.lost(p.Name) {
			continue
		}
		if count++; count == 1 || one.since.Before(first.since) {
			first = one
		}
	}
	if count == 0 {
		return nil
	}
	passing := l.now.Sub(first.since) < diagnose.Patience
	return &diagnose.Problem{Reason: v1alpha1.ReasonPodsUnreachable, Passing: passing, Message: first.tell(andMore(count - 1))}
}

// andMore says of how many more pods the same is so.
func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}
