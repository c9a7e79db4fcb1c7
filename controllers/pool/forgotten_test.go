package pool

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// TestAForgottenStep: an operator that has just started knows from the status when the pool
// was last on its way, and that it does not know from how many nodes.
func TestAForgottenStep(t *testing.T) {
	now := time.Unix(1e6, 0)
	at := func(seconds int64) metav1.Time { return metav1.NewTime(now.Add(time.Duration(seconds) * time.Second)) }
	step, known := at(-40), autoscale.Memory{Moving: at(-20).Time, Before: 3}
	for _, c := range []struct {
		name   string
		ready  *metav1.Condition
		memory autoscale.Memory
		moving time.Time
		before int
	}{
		{"it saw the step", &metav1.Condition{Status: metav1.ConditionTrue, LastTransitionTime: at(-30)}, known, at(-20).Time, 3},
		{"the step is done", &metav1.Condition{Status: metav1.ConditionTrue, LastTransitionTime: at(-30)}, autoscale.Memory{}, at(-30).Time, -1},
		{"it is under way", &metav1.Condition{Status: metav1.ConditionFalse, LastTransitionTime: at(-39)}, autoscale.Memory{}, now, -1},
		{"nothing is known", nil, autoscale.Memory{}, now, -1},
		{"by a clock that was ahead", &metav1.Condition{Status: metav1.ConditionTrue, LastTransitionTime: at(3600)}, autoscale.Memory{}, now, -1},
	} {
		v := testView()
		v.now, v.memory, v.record.doc = now, &memory{scale: c.memory}, &placement.Document{}
		v.kept.scaling = &v1alpha1.ScalingStatus{Time: &step, From: 3, To: 4}
		if c.ready != nil {
			c.ready.Type = v1alpha1.ConditionReady
			v.pool.Status.Conditions = []metav1.Condition{*c.ready}
		}
		got := v.scaleMemory()
		if !got.Moving.Equal(c.moving) || got.Before != c.before || !got.Changed.Equal(step.Time) || got.Direction != 1 {
			t.Errorf("%s: %+v, want moving at %v from %d nodes", c.name, got, c.moving, c.before)
		}
	}
	v := testView()
	v.now, v.memory = now, &memory{}
	if got := v.scaleMemory(); got != (autoscale.Memory{}) {
		t.Errorf("of a pool that has no placement yet: %+v", got)
	}
}

// TestSameNodes: experts that move between the nodes that are there are no change of their
// number.
func TestSameNodes(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*view)
		want   bool
	}{
		{"at rest", func(*view) {}, true},
		{"experts move", func(v *view) { v.record.doc.Target = v.record.doc.Serving }, true},
		{"a node comes", func(v *view) { v.record.doc.Target = testDocument(t, v, 9).Target }, false},
		{"a node is to come", func(v *view) { v.decision.Doc = testDocument(t, v, 10) }, false},
		{"no placement", func(v *view) { v.record.doc = nil }, false},
		{"the StatefulSet is not there yet", func(v *view) { v.set.live.UID = "" }, false},
	} {
		v := scaled(t, 1, 8)
		c.change(v)
		if got := v.progress().sameNodes(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
