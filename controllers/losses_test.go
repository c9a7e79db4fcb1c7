package controllers_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
)

// TestLosses: a pod that loses what it had is told truthfully: Available only if
// every expert still has an owner and a router is there. When it is back, so is Ready.
func TestLosses(t *testing.T) {
	cases := []struct {
		name, spec, component, reason string
		available                     metav1.ConditionStatus
		experts                       string
	}{
		{"only owner", "expertNodes: 2", "expert-node", v1alpha1.ReasonExpertsNotCovered, "False", "512/1024"},
		{"one of two owners", "expertNodes: 2\nexperts: {replicasPerExpert: 2}", "expert-node", v1alpha1.ReasonExpertNodesNotReady, "True", "1024/1024"},
		{"only router", "expertNodes: 1", "router", v1alpha1.ReasonRoutersNotReady, "False", "1024/1024"},
		{"one of two routers", "expertNodes: 1\nrouters: {replicas: 2}", "router", v1alpha1.ReasonRoutersNotReady, "True", "1024/1024"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.create("demo", model+c.spec)
			w.untilReady()
			var pods corev1.PodList
			if err := w.List(t.Context(), &pods, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/component": c.component}); err != nil {
				t.Fatal(err)
			}
			victim := address(&pods.Items[0])
			w.fleet.Lose(victim)
			w.until(func() string { return w.not(v1alpha1.ConditionReconciling, "True", c.reason) })
			d := w.deployment()
			if got := conditions.Of(d.Status.Conditions, v1alpha1.ConditionAvailable).Status; got != c.available {
				t.Errorf("Available is %s, want %s", got, c.available)
			}
			if got := d.Status.Summary.Experts; got != c.experts {
				t.Errorf("%s experts covered, want %s", got, c.experts)
			}
			w.fleet.Edit(victim, func(p *fleettest.Pod) { p.Lag = false })
			w.untilReady()
		})
	}
}

// TestBusyPodIsNotLost: a pod that does not answer in time, but that the kubelet
// finds ready, keeps its experts; the status does not flap.
func TestBusyPodIsNotLost(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	pod := get(w, &corev1.Pod{}, "demo-experts-1")
	w.fleet.Edit(address(pod), func(p *fleettest.Pod) { p.Silent = true })
	version, calls := w.deployment().ResourceVersion, w.fleet.Calls()
	w.patch(&corev1.Pod{}, "demo-experts-0", "metadata: {annotations: {look: again}}")
	w.until(func() string {
		if w.fleet.Calls() < calls+6 {
			return "the operator did not look"
		}
		return ""
	})
	if d := w.deployment(); d.ResourceVersion != version {
		t.Errorf("the status changed: %+v", d.Status.Conditions)
	}
}
