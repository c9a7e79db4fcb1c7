package controllers_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestEnvironmentOfSomebodyStays: what "kubectl set env" gave the routers is not the
// operator's, which applies what is its own.
func TestEnvironmentOfSomebodyStays(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 1")
	w.untilReady()
	routers := get(w, &appsv1.Deployment{}, "demo-router")
	name := routers.Spec.Template.Spec.Containers[0].Name
	patch := `{"spec":{"template":{"spec":{"containers":[{"name":"` + name + `","env":[{"name":"OLMOE_API_KEY","valueFrom":{"secretKeyRef":{"name":"key","key":"OLMOE_API_KEY"}}}]}]}}}}`
	if err := w.Patch(w.Context(), routers, client.RawPatch(types.StrategicMergePatchType, []byte(patch)), client.FieldOwner("kubectl-set")); err != nil {
		t.Fatal(err)
	}
	w.patch(w.deployment(), "demo", "spec: {routers: {maxQueue: 11}}")
	w.until(func() string {
		c := get(w, &appsv1.Deployment{}, "demo-router").Spec.Template.Spec.Containers[0]
		if !slices.Contains(c.Args, "--max-queue=11") {
			return "args " + strings.Join(c.Args, " ")
		}
		if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "OLMOE_API_KEY" && e.ValueFrom.SecretKeyRef.Name == "key" }) {
			t.Fatalf("env %v", c.Env)
		}
		return ""
	})
	w.untilReady()
}
