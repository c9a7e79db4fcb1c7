package apply

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// server is an API server of one Service and its owner. It notes what it is asked for.
type server struct {
	client.Client
	owner      *v1alpha1.ExpertPool // nil: it is gone
	service    *corev1.Service      // nil: it is not there
	unreadable error
	answers    []error // to writes, in turn; then nil
	version    string  // after a write
	generation int64   // after a write
	asked      []string
}

var (
	notFound = apierrors.NewNotFound(schema.GroupResource{}, "x")
	invalid  = apierrors.NewInvalid(schema.GroupKind{}, "x", nil)
	errBusy  = errors.New("the API server is busy")
)

func (s *server) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	switch o := o.(type) {
	case *v1alpha1.ExpertPool:
		s.asked = append(s.asked, "owner")
		if s.owner == nil {
			return notFound
		}
		*o = *s.owner
	case *corev1.Service:
		s.asked = append(s.asked, "read")
		if s.service == nil {
			return notFound
		}
		*o = *s.service
	}
	return s.unreadable
}

func (s *server) answer(what string) error {
	s.asked = append(s.asked, what)
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func (s *server) Apply(_ context.Context, o runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	o.(*corev1ac.ServiceApplyConfiguration).WithResourceVersion(s.version).WithGeneration(s.generation)
	return s.answer("apply")
}

func (s *server) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.PatchOption) error {
	raw, _ := p.Data(o)
	return s.answer("patch " + string(raw))
}

// wanted is a Service with a label.
func wanted(label string) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service("a", "ns").WithLabels(map[string]string{"n": label})
}

// there is a Service of the owner's, whose label we have applied.
func there(label string) *corev1.Service {
	yes := true
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{
		Name: "a", Namespace: "ns", UID: "s", ResourceVersion: "1", Labels: map[string]string{"n": label},
		OwnerReferences: []metav1.OwnerReference{{Kind: "ExpertPool", Name: "demo", UID: "u", Controller: &yes}},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: Manager, Operation: metav1.ManagedFieldsOperationApply,
			FieldsV1: metav1.NewFieldsV1(`{"f:metadata": {"f:labels": {"f:n": {}}}}`)}},
	}}
}

func owner() *v1alpha1.ExpertPool {
	return &v1alpha1.ExpertPool{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "ns", UID: "u"}}
}

func (s *server) applier(settled *Settled) *Applier {
	return &Applier{Client: s, Live: s, Owner: owner(), Manager: Manager, Settled: settled}
}

func (s *server) apply(t *testing.T, settled *Settled, label string) (bool, error) {
	t.Helper()
	live := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "ns"}}
	return s.applier(settled).Apply(t.Context(), live, wanted(label))
}
