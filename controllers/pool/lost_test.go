package pool

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// silentView is a round in which node "n" has said nothing for some time.
func silentView(silent time.Duration, answer fleet.Answer) *view {
	now := time.Unix(1e6, 0)
	v := &view{
		wanted: wantedBy(&v1alpha1.ExpertPool{}), now: now, stalls: stalls{},
		record: record{doc: &placement.Document{Serving: &placement.Placement{Nodes: []placement.Node{{Name: "n"}}}}},
		memory: &memory{silent: map[string]time.Time{"n": now.Add(-silent)}},
		pods: pods{answers: map[string]fleet.Answer{"n": answer, "r": {Report: &fleet.Report{ExpertsReady: 1, ExpertsWanted: 1}}},
			experts: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.PodStatus{
				Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			}}},
			routers: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "r"}}}},
	}
	return v
}

func TestLost(t *testing.T) {
	hung, refused := fleet.Answer{Err: errors.New("hung"), Hung: true}, fleet.Answer{Err: errors.New("refused")}
	waits := func(v *view) { v.pods.waited = []string{"n"} }
	misses := func(v *view) { v.pods.answers["r"].Report.ExpertsReady = 0 }
	tests := []struct {
		name   string
		silent time.Duration
		answer fleet.Answer
		change func(*view)
		want   bool
	}{
		{"a router and the operator both find it silent", 0, hung, waits, true},
		{"a router waits, but it answered the operator a moment ago", 0, refused, waits, false},
		{"a router waits for another node", 0, hung, func(v *view) { v.pods.waited = []string{"m"} }, false},
		{"only the operator finds it silent", 29 * time.Second, hung, func(*view) {}, false},
		{"only the operator, for very long: the kubelet finds it ready", time.Hour, hung, func(*view) {}, false},
		{"the kubelet does not", 30 * time.Second, hung, func(v *view) { v.pods.experts[0].Status.Conditions = nil }, true},
		{"it refuses, and a router misses experts", 900 * time.Millisecond, refused, misses, false},
		{"for a second", time.Second, refused, misses, true},
		{"the pod starts anew", time.Minute, hung, func(v *view) {
			waits(v)
			v.pods.experts[0].Status.Conditions = nil
			v.pods.experts[0].Spec.NodeName, v.pods.experts[0].Status.Phase = "m", corev1.PodPending
			v.wanted.spec.Experts.RestoreAfterSeconds = new(int32)
			*v.wanted.spec.Experts.RestoreAfterSeconds = 120
		}, false},
		{"its container has started a moment ago", 5 * time.Second, refused, func(v *view) { misses(v); started(v, time.Second) }, false},
		{"longer ago", 5 * time.Second, refused, func(v *view) { misses(v); started(v, 2*time.Second) }, true},
		{"in ten minutes, by its machine's clock", 5 * time.Second, refused, func(v *view) { misses(v); started(v, -10*time.Minute) }, true},
		{"it stalled before", time.Second, hung, func(v *view) { waits(v); v.stalls["n"] = &stall{times: 1} }, false},
		{"for two seconds now", 2 * time.Second, hung, func(v *view) { waits(v); v.stalls["n"] = &stall{times: 1} }, true},
		{"it stalls all the time", 29 * time.Second, hung, func(v *view) { waits(v); v.stalls["n"] = &stall{times: mostStalls} }, false},
		{"but then it is gone", 30 * time.Second, hung, func(v *view) { waits(v); v.stalls["n"] = &stall{times: mostStalls} }, true},
	}
	for _, tt := range tests {
		v := silentView(tt.silent, tt.answer)
		tt.change(v)
		if got := v.losses().lost("n"); got != tt.want {
			t.Errorf("%s: lost is %v", tt.name, got)
		}
	}
}

// started makes the node's container one that started so long ago.
func started(v *view, ago time.Duration) {
	at := metav1.NewTime(v.now.Add(-ago))
	v.pods.experts[0].Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}}}
}

// A node that is given up and comes back at once has stalled; one that comes back
// late was gone. Stalls are forgotten in time.
func TestStalls(t *testing.T) {
	hung := fleet.Answer{Err: errors.New("hung"), Hung: true}
	for _, c := range []struct {
		away time.Duration
		want int
	}{{time.Second, 1}, {stallTime, 0}} {
		v := silentView(0, hung)
		v.pods.waited = []string{"n"}
		at := v.now
		listen := func(after time.Duration, a fleet.Answer) {
			v.now, v.pods.answers["n"] = at.Add(after), a
			v.losses().note(named(v.record.doc))
		}
		listen(0, hung)
		listen(c.away/2, hung)
		listen(c.away, fleet.Answer{Report: &fleet.Report{}})
		if got := v.stalls.of("n"); got != c.want {
			t.Errorf("back after %s: %d stalls, want %d", c.away, got, c.want)
		}
		listen(c.away+stallsFade+time.Second, fleet.Answer{Report: &fleet.Report{}})
		if len(v.stalls) != 0 {
			t.Errorf("after %s: %v", stallsFade, v.stalls)
		}
	}
}
