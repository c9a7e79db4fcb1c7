package pool

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// TestUnreachableForAnotherOperator: an operator that has just started goes on with what the
// conditions say of pods that it cannot reach either.
func TestUnreachableForAnotherOperator(t *testing.T) {
	const reason = v1alpha1.ReasonPodsUnreachable
	cases := []struct {
		name    string
		before  conditions.Verdict
		running time.Duration
		second  bool // the operator has asked before, and the pod is another now
		want    string
	}{
		{"it needed somebody", conditions.Verdict{Stalled: true, Reason: reason}, time.Hour, false, "stalled"},
		{"it might have passed", conditions.Verdict{Reason: reason}, time.Hour, false, "passing"},
		{"nothing was said", conditions.Verdict{Reason: v1alpha1.ReasonProgressing}, time.Hour, false, ""},
		{"something else needed somebody", conditions.Verdict{Stalled: true, Reason: v1alpha1.ReasonCrashLoop}, time.Hour, false, ""},
		{"the program has run for a minute", conditions.Verdict{Stalled: true, Reason: reason}, time.Minute, false, "passing"},
		{"the program has just started", conditions.Verdict{Stalled: true, Reason: reason}, time.Second, false, ""},
		{"the program's clock is ahead", conditions.Verdict{Stalled: true, Reason: reason}, -time.Hour, false, ""},
		{"the operator has asked before", conditions.Verdict{Stalled: true, Reason: reason}, time.Hour, true, ""},
	}
	for _, c := range cases {
		v := testView()
		v.now, v.memory = time.Unix(1e6, 0), &memory{}
		conditions.Set(&v.pool.Status.Conditions, 1, v.now, c.before)
		if c.second {
			v.memory.unheard = v.memory.unheard.noted(v.pods, v.pool.Status.Conditions, v.now, logr.Discard())
		}
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts-0"}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(v.now.Add(-c.running))},
		}}}
		v.pods.experts = []corev1.Pod{pod}
		v.pods.answers = map[string]fleet.Answer{pod.Name: {Err: errors.New("refused")}}
		v.memory.unheard = v.memory.unheard.noted(v.pods, v.pool.Status.Conditions, v.now, logr.Discard())
		got := ""
		if p := v.memory.unheard.problem(v.losses(), v.troubles); p != nil {
			got = map[bool]string{true: "passing", false: "stalled"}[p.Passing]
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// The pod that has been silent for longest is told, and decides whether that may pass,
// wherever it is in the list.
func TestUnreachableForLongest(t *testing.T) {
	v := testView()
	v.now = time.Unix(1e6, 0)
	v.memory = &memory{unheard: unheards{
		"demo-experts-0": {since: v.now.Add(-time.Minute), why: "the young one"},
		"demo-experts-1": {since: v.now.Add(-time.Hour), why: "the old one"},
	}}
	for name := range v.memory.unheard {
		v.pods.experts = append(v.pods.experts, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	if p := v.memory.unheard.problem(v.losses(), v.troubles); p == nil || p.Passing || !strings.Contains(p.Message, "the old one (and 1 more)") {
		t.Errorf("%+v", p)
	}
}

// Of a pod that answers nonsense it is not told that it cannot be reached.
func TestNonsenseIsTold(t *testing.T) {
	v := testView()
	v.now = time.Unix(1e6, 0)
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts-0"}}
	v.pods.experts = []corev1.Pod{pod}
	said := fmt.Errorf("pod demo-experts-0 at 10.0.0.1:7070: its model has 5000000 layers: %w", fleet.ErrAnswer)
	v.pods.answers = map[string]fleet.Answer{pod.Name: {Err: said}}
	v.memory = &memory{unheard: unheards{pod.Name: {process: process(&pod), since: v.now.Add(-time.Minute)}}}
	v.memory.unheard = v.memory.unheard.noted(v.pods, nil, v.now, logr.Discard())
	if p := v.memory.unheard.problem(v.losses(), v.troubles); p == nil || p.Reason != v1alpha1.ReasonPodsUnreachable || p.Message != said.Error() {
		t.Errorf("%+v", p)
	}
}
