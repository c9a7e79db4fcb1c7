package pool

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// TestNoWaitForABalancerThatIsOff: the autoscaler waits for moves of experts only where
// there may be any.
func TestNoWaitForABalancerThatIsOff(t *testing.T) {
	cases := []struct {
		name   string
		mode   v1alpha1.RebalancingMode
		budget string
		want   bool
	}{
		{"by load", v1alpha1.RebalanceByLoad, "100", true},
		{"a budget of less than one expert", v1alpha1.RebalanceByLoad, "99", false},
		{"off", v1alpha1.RebalanceOff, "100", false},
	}
	for _, c := range cases {
		v := testView()
		nodes, budget := int32(1), resource.MustParse(c.budget)
		v.pool.Spec.Replicas, v.pool.Spec.Experts.ReplicasPerExpert = &nodes, &nodes
		v.pool.Spec.Scaling = &v1alpha1.ScalingSettings{Min: 1, Max: 2}
		v.pool.Spec.Experts.Rebalancing = v1alpha1.RebalancingSettings{Mode: c.mode, MaxBytesPerMinute: &budget}
		v.memory = &memory{}
		v.pods.experts = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts-0"}}}
		v.pods.answers = map[string]fleet.Answer{"demo-experts-0": {Report: &fleet.Report{Model: &fleet.Model{ExpertBytes: 100}}}}
		if got := v.autoscaleInput().CanRebalance; got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

// TestRoomIsKnownFromAnyPod: a router may be the first to tell the model, and the rollout
// then knows that there is no room.
func TestRoomIsKnownFromAnyPod(t *testing.T) {
	v := testView()
	replicas, slots := int32(2), int32(5)
	v.pool.Spec.Experts.ReplicasPerExpert, v.pool.Spec.Experts.SlotsPerNode = &replicas, &slots
	if n := v.wanted.minNodes(modelExperts(v.record.doc, v.pods)); n != 2 {
		t.Errorf("at least %d nodes of an unknown model, want 2", n)
	}
	v.pods.answers = map[string]fleet.Answer{"demo-experts-0": {}, "demo-router-0": {Report: &fleet.Report{Model: &fleet.Model{Experts: 8}}}}
	if n := v.wanted.minNodes(modelExperts(v.record.doc, v.pods)); n != 4 {
		t.Errorf("at least %d nodes, want 4: 16 copies in 5 slots each", n)
	}
	v.record.doc = testDocument(t, v, 9)
	v.pods.answers = nil
	if n := v.wanted.minNodes(modelExperts(v.record.doc, v.pods)); n != 4 {
		t.Errorf("at least %d nodes, want 4 by the placement", n)
	}
}
