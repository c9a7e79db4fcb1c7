package controllers_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/controllers"
)

// TestPodsAreCachedWithoutManagedFields: they are a third of a cached pod, and read of
// objects that are applied alone.
func TestPodsAreCachedWithoutManagedFields(t *testing.T) {
	meta := metav1.ObjectMeta{Name: "x", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}}
	seen := 0
	for kind, by := range controllers.Cache(nil).ByObject {
		var o client.Object
		want := 1
		switch kind.(type) {
		case *corev1.Pod:
			o, want = &corev1.Pod{ObjectMeta: meta}, 0
		case *appsv1.StatefulSet:
			o = &appsv1.StatefulSet{ObjectMeta: meta}
		default:
			continue
		}
		seen++
		if by.Transform != nil {
			if _, err := by.Transform(o); err != nil {
				t.Error(err)
			}
		}
		if n := len(o.GetManagedFields()); n != want || o.GetName() != "x" {
			t.Errorf("%T %q has %d entries, want %d", kind, o.GetName(), n, want)
		}
	}
	if seen != 2 {
		t.Errorf("%d kinds seen, want 2", seen)
	}
}
