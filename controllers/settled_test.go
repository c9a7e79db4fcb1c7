package controllers_test

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// applies counts.
type applies struct {
	client.Client
	n int
}

func (a *applies) Apply(ctx context.Context, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	a.n++
	return a.Client.Apply(ctx, o, opts...)
}

// TestValuesThatTheServerWritesInItsOwnWay: an apply that changes nothing is no change,
// and is not sent again until either side is another.
func TestValuesThatTheServerWritesInItsOwnWay(t *testing.T) {
	c := &applies{Client: kubetest.Client(t)}
	ns := kubetest.Namespace(t, c)
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner", Namespace: ns}}
	if err := c.Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	a := &apply.Applier{Client: c, Live: c, Owner: owner, Manager: apply.Manager, Settled: &apply.Settled{}}
	labels := map[string]string{"a": "b"}
	set := func(memory string) *appsv1ac.StatefulSetApplyConfiguration {
		return appsv1ac.StatefulSet("child", ns).
			WithOwnerReferences(a.OwnerReference(corev1.SchemeGroupVersion.WithKind("ConfigMap"))).
			WithSpec(appsv1ac.StatefulSetSpec().WithServiceName("child").
				WithSelector(metav1ac.LabelSelector().WithMatchLabels(labels)).
				WithTemplate(corev1ac.PodTemplateSpec().WithLabels(labels).WithSpec(corev1ac.PodSpec().
					WithContainers(corev1ac.Container().WithName("c").WithImage("i").WithResources(corev1ac.ResourceRequirements().
						WithRequests(corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}))))))
	}
	patch := func(text string) func() {
		return func() {
			o := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "child", Namespace: ns}}
			if err := c.Patch(t.Context(), o, client.RawPatch("application/merge-patch+json", []byte(text))); err != nil {
				t.Fatal(err)
			}
		}
	}
	const rounds, exact = "1.2341Gi", "1Gi"
	steps := []struct {
		what, memory string
		before       func()
		changes      bool
		applies      int
	}{
		{"made", rounds, nil, true, 1},
		{"found in the server's way", rounds, nil, false, 1},
		{"known", rounds, nil, false, 0},
		{"something else changes", rounds, patch(`{"metadata": {"labels": {"somebody": "s"}}}`), false, 0},
		{"another wish", exact, nil, true, 1},
		{"the same", exact, nil, false, 0},
		{"the first wish", rounds, nil, true, 1},
		{"drift", rounds, patch(`{"spec": {"serviceName": "child", "template": {"spec": {"containers": [{"name": "c", "image": "other"}]}}}}`), true, 1},
		{"repaired, and known", rounds, nil, false, 0},
	}
	for _, s := range steps {
		if s.before != nil {
			s.before()
		}
		c.n = 0
		live := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "child", Namespace: ns}}
		changed, err := a.Apply(t.Context(), live, set(s.memory))
		if err != nil || changed != s.changes || c.n != s.applies {
			t.Errorf("%s: changed %t in %d applies, %v; want %t in %d", s.what, changed, c.n, err, s.changes, s.applies)
		}
	}
}
