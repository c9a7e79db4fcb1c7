package controllers_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/controllers"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// TestOwnImage: the operator's own container's, among those that a webhook has added.
func TestOwnImage(t *testing.T) {
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	for name, want := range map[string]struct {
		containers  []corev1.Container
		image, fail string
	}{
		"alone":    {[]corev1.Container{{Name: "operator", Image: "olmoe:v9"}}, "olmoe:v9", ""},
		"injected": {[]corev1.Container{{Name: "proxy", Image: "proxy:v1"}, {Name: "manager", Image: "olmoe:v9"}}, "olmoe:v9", ""},
		"strange":  {[]corev1.Container{{Name: "a", Image: "a"}, {Name: "b", Image: "b"}}, "", "has no container manager"},
		"missing":  {nil, "", "not found"},
	} {
		if want.containers != nil {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns}, Spec: corev1.PodSpec{Containers: want.containers}}
			if err := c.Create(t.Context(), pod); err != nil {
				t.Fatal(err)
			}
		}
		got, err := controllers.OwnImage(t.Context(), c, ns, name)
		if got != want.image || (err == nil) != (want.fail == "") || err != nil && !strings.Contains(err.Error(), want.fail) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
