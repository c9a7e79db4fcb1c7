package v1alpha1_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// TestUnseenIsNotDone: before the operator has seen an object, tools that go by kstatus
// find that its newest generation was not looked at. An object without any status is done
// to them, so that Helm and Flux would not wait at all.
func TestUnseenIsNotDone(t *testing.T) {
	c := kubetest.Client(t)
	ns, source := kubetest.Namespace(t, c), v1alpha1.Model{Source: "file:///m"}
	d := &v1alpha1.OLMoEDeployment{Spec: v1alpha1.OLMoEDeploymentSpec{Model: source}}
	p := &v1alpha1.ExpertPool{Spec: v1alpha1.ExpertPoolSpec{Model: source}}
	for _, o := range []client.Object{d, p} {
		o.SetName("demo")
		o.SetNamespace(ns)
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := d.Status.ObservedGeneration, p.Status.ObservedGeneration; a != -1 || b != -1 {
		t.Errorf("a deployment and a pool that nobody has seen: observedGeneration %d and %d, want -1", a, b)
	}
}
