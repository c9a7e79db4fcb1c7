package pool

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// scaled is a pool of two nodes, which are there, that may have so many.
func scaled(t *testing.T, low, high int32) *view {
	t.Helper()
	v, two, one := testView(), int32(2), int32(1)
	v.now, v.memory = time.Unix(1e6, 0), &memory{}
	v.pool.Spec.Replicas, v.pool.Spec.Experts.ReplicasPerExpert = &two, &one
	v.pool.Spec.Scaling = &v1alpha1.ScalingSettings{Min: low, Max: high}
	v.record.doc = testDocument(t, v, 9)
	v.record.doc.Target = nil
	v.decision.Doc, v.set.live = v.record.doc, appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{UID: "u"}}
	for _, m := range v.wanted.members(2) {
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: m.Name}}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		v.pods.experts = append(v.pods.experts, pod)
	}
	return v
}

// TestTurnsOutliveTheOperator: what holds at most one change of direction in ten minutes
// comes back from the status, whichever operator reads it.
func TestTurnsOutliveTheOperator(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		v := scaled(t, 1, 8)
		told := autoscale.Memory{Changed: v.now, Direction: nodes - 2, Reversed: v.now}
		v.kept.scaling = v.kept.step(autoscale.Decision{Nodes: nodes, Memory: told}, 2, true, v.now)
		v.memory = &memory{} // another operator's
		if m := v.scaleMemory(); !m.Changed.Equal(told.Changed) || m.Direction != told.Direction || !m.Reversed.Equal(told.Reversed) {
			t.Errorf("to %d nodes: %+v, want %+v", nodes, m, told)
		}
	}
}

// TestOneChangeAtATime: the autoscaler waits for all that is under way, also for what
// this round has decided and nobody has heard of yet.
func TestOneChangeAtATime(t *testing.T) {
	cases := []struct {
		name   string
		change func(v *view)
		want   bool
	}{
		{"nothing", func(*view) {}, false},
		{"no placement yet", func(v *view) { v.record.doc = nil }, true},
		{"a target", func(v *view) { v.record.doc.Target = v.record.doc.Serving }, true},
		{"a document of this round", func(v *view) { v.decision.Doc = &placement.Document{} }, true},
		{"pods are waited for", func(v *view) { v.decision.Waiting = "an expert node to answer" }, true},
		{"a node is missing", func(v *view) { v.pods.experts = v.pods.experts[1:] }, true},
	}
	for _, c := range cases {
		v := scaled(t, 1, 8)
		c.change(v)
		if got := v.progress().changing(); got != c.want {
			t.Errorf("%s: changing is %t", c.name, got)
		}
	}
}

// TestOutsideOfTheRangeIsDecidedAtOnce: that needs no signals, so no look at the load.
func TestOutsideOfTheRangeIsDecidedAtOnce(t *testing.T) {
	for _, c := range []struct {
		name      string
		low, high int32
		decided   bool
	}{{"within", 1, 8, false}, {"too few", 3, 8, true}, {"too many", 1, 1, true}} {
		v := scaled(t, c.low, c.high)
		v.decision.Waiting = "an expert node to answer" // so that the number stays for now
		if err := (&Reconciler{}).scale(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if decided := v.kept.scaling != nil; decided != c.decided || decided && v.kept.scaling.Reason != autoscale.ReasonStepInProgress {
			t.Errorf("%s: %+v", c.name, v.kept.scaling)
		}
	}
}
