package controllers_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
)

// TestPlacementTooLarge: a placement that a ConfigMap does not hold is told, and stops
// nothing else: a lost node's experts get other owners, the pool is scaled, and the spec
// can go back.
func TestPlacementTooLarge(t *testing.T) {
	w := newWorld(t)
	w.players.model = &fleet.Model{Fingerprint: "f00d", Name: "demo", Layers: 256, Experts: 256, ExpertsPerToken: 8, ContextLength: 4096, ExpertBytes: 1 << 20}
	w.create("demo", model+"expertNodes: 3\nexperts: {rebalancing: {mode: 'Off'}}")
	w.untilReady()
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {expertNodes: 4, experts: {replicasPerExpert: 3}}")
	if m := w.untilReason(v1alpha1.ReasonPlacementTooLarge); !strings.Contains(m, "experts.replicasPerExpert") {
		t.Errorf("%q must name the field", m)
	}
	if said := w.not(v1alpha1.ConditionAvailable, "True", v1alpha1.ReasonServing); said != "" {
		t.Errorf("a spec that cannot be met must not stop what works: %s", said)
	}
	const victim = "demo-experts-1"
	w.fleet.Edit(address(get(w, &corev1.Pod{}, victim)), func(p *fleettest.Pod) { p.Frozen = true })
	w.alarm(victim)
	w.watch(patience, func() string {
		if !w.movedFrom(victim) {
			return "the lost node's experts get no other owners"
		}
		return ""
	})
	w.fleet.Edit(address(get(w, &corev1.Pod{}, victim)), func(p *fleettest.Pod) { p.Frozen = false })
	w.alarm()
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {experts: {replicasPerExpert: 1}}")
	w.untilReady()
	if n := len(w.document().Serving.Nodes); n != 4 {
		t.Errorf("%d nodes in the placement, want 4", n)
	}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "demo-experts-3"}, &corev1.Pod{}); err != nil {
		t.Error(err)
	}
}
