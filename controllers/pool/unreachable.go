package pool

import (
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// unreachableAfter so long a pod that runs has not answered: a program answers some
// tenths of a second after its start, and one that hangs is started again by its probe.
const unreachableAfter = 30 * time.Second

// unheard is a pod that runs and does not answer.
type unheard struct {
	process string
	since   time.Time
	why     string // empty before unreachableAfter; then the same, so that what is told does not change
}

// hear notes which pods do not answer, and logs once of each that it cannot be reached.
func (v *view) hear(log logr.Logger) {
	was, before := v.memory.unheard, v.unheardBefore()
	v.memory.unheard = map[string]unheard{}
	for p := range v.pods.all() {
		a, asked := v.pods.answers[p.Name]
		if !asked || a.Err == nil || p.DeletionTimestamp != nil {
			continue
		}
		u := was[p.Name]
		if u.process != process(p) {
			u = unheard{process: process(p), since: v.now.Add(-min(before, max(0, v.now.Sub(began(p)))))}
		}
		if u.why == "" && v.now.Sub(u.since) >= unreachableAfter {
			u.why = a.Err.Error()
			log.Info("a pod runs and cannot be reached", "error", u.why)
		}
		v.memory.unheard[p.Name] = u
	}
}

// unheardBefore reads from the conditions for how long, at least, pods have been out of
// reach of the operator before this one, so that a restart does not look like a recovery.
func (v *view) unheardBefore() time.Duration {
	const reason = v1alpha1.ReasonPodsUnreachable
	said := v.pool.Status.Conditions
	switch {
	case v.memory.unheard != nil:
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

// unreachable is the problem of pods that run and do not answer; nil if there are none.
// Nodes that are given up are not among them: nobody waits for those.
func (v *view) unreachable() *diagnose.Problem {
	var first unheard // the one that has been silent for longest
	count := 0
	for p := range v.pods.all() {
		u := v.memory.unheard[p.Name]
		if u.why == "" || v.troubles.problems[p.Name] != nil || v.lost(p.Name) {
			continue
		}
		if count++; count == 1 || u.since.Before(first.since) {
			first = u
		}
	}
	if count == 0 {
		return nil
	}
	return &diagnose.Problem{Reason: v1alpha1.ReasonPodsUnreachable, Passing: v.now.Sub(first.since) < diagnose.Patience, Message: fmt.Sprintf(
		"the operator cannot reach %s%s: let it reach port %d of the pods (NetworkPolicy of their namespace, policy of a service mesh)",
		first.why, andMore(count-1), podspec.PortControl)}
}

// andMore says of how many more pods the same is so.
func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}
