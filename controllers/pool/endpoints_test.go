package pool

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// emptied is a cluster of which nothing is left.
type emptied struct{ client.Client }

func (emptied) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

// Routers outlive the pool of a deployment that is deleted, by their grace. What they were
// told is forgotten all the same (invariant 8).
func TestRoutersThatOutliveTheirPool(t *testing.T) {
	c := &endpointsController{client: emptied{}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", Labels: podspec.Labels("demo", podspec.ExpertNode)}}
	if list := c.routersOf(t.Context(), pod); len(list) != 0 {
		t.Errorf("an expert node without a pool concerns %v", list)
	}
	pod.Labels = podspec.Labels("demo", podspec.Router)
	c.sent.Store(client.ObjectKeyFromObject(pod), endpointsSent{})
	for _, r := range c.routersOf(t.Context(), pod) {
		if _, err := c.Reconcile(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := c.sent.Load(client.ObjectKeyFromObject(pod)); known {
		t.Error("a router that is gone is known for ever")
	}
}
