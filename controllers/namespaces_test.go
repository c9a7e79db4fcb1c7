package controllers_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// someNamespaces is an operator whose user has rights where a RoleBinding gives them alone.
type someNamespaces struct {
	*testing.T
	client.Client // of an administrator
	probes        string
}

const someUser = "operator-of-some-namespaces"

func (s someNamespaces) manager(namespaces ...string) (ctrl.Manager, error) {
	cfg := rest.CopyConfig(kubetest.Config(s.T))
	cfg.Impersonate = rest.ImpersonationConfig{UserName: someUser, Groups: []string{"system:authenticated"}}
	return controllers.NewManager(s.Context(), cfg, controllers.ManagerOptions{
		MetricsAddress: "0", ProbeAddress: s.probes, Namespaces: namespaces, AskAgain: 50 * time.Millisecond, SharedProcess: true, Log: logr.Discard(),
	}, controllers.Options{Image: ownImage, Fleet: fleettest.New(), Clock: clock.RealClock{}})
}

// start starts an operator that must be ready, and returns what ends it and how it ended.
func (s someNamespaces) start(namespaces ...string) (context.CancelFunc, <-chan error) {
	s.Helper()
	mgr := once(s.T, func() (ctrl.Manager, error) { return s.manager(namespaces...) })
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	running{probes: s.probes}.waitProbe(s.T)
	return cancel, ended
}

// bind gives the operator a role in a namespace.
func (s someNamespaces) bind(namespace string, role rbacv1.RoleRef) {
	s.Helper()
	role.APIGroup = rbacv1.GroupName
	err := s.Create(s.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-", Namespace: namespace}, RoleRef: role,
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: someUser}},
	})
	if err != nil {
		s.Fatal(err)
	}
}

// works waits until a new OLMoEDeployment has its pool.
func (s someNamespaces) works(namespace string) {
	s.Helper()
	o := &v1alpha1.OLMoEDeployment{ObjectMeta: metav1.ObjectMeta{GenerateName: "demo-", Namespace: namespace}}
	o.Spec.Model.Source = "file:///models/olmoe"
	if err := s.Create(s.Context(), o); err != nil {
		s.Fatal(err)
	}
	soon(s.T, func() string {
		if err := s.Get(s.Context(), client.ObjectKeyFromObject(o), &v1alpha1.ExpertPool{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

// watched is what the operator's metric says of a namespace.
func watched(t *testing.T, namespace string) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "olmoe_operator_namespace_watched" && m.GetLabel()[0].GetValue() == namespace {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// TestANamespaceThatMayNotBeRead: whoever takes the operator's rights away in one namespace,
// or leaves it a part of them, ends its work there and nowhere else; when they are back the
// operator ends, and works there after its next start.
func TestANamespaceThatMayNotBeRead(t *testing.T) {
	s := someNamespaces{t, kubetest.Client(t), freeAddress(t)}
	grant(t, s.Client, "role.yaml")
	all := rbacv1.RoleRef{Kind: "ClusterRole", Name: "manager"}
	theirs, none, part := kubetest.Namespace(t, s.Client), kubetest.Namespace(t, s.Client), kubetest.Namespace(t, s.Client)
	s.bind(theirs, all)
	readsOne := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "part", Namespace: part}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"olmoedeployments"}, Verbs: []string{"get", "list", "watch"}}}}
	if err := s.Create(t.Context(), readsOne); err != nil {
		t.Fatal(err)
	}
	s.bind(part, rbacv1.RoleRef{Kind: "Role", Name: "part"})

	if _, err := s.manager(none, part); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), part) {
		t.Errorf("without any namespace: %v, want what it may not read", err)
	}
	_, ended := s.start(none, theirs, part)
	s.works(theirs)
	if a, b, c := watched(t, theirs), watched(t, none), watched(t, part); a != 1 || b != 0 || c != 0 {
		t.Errorf("watched: %v with rights, %v without, %v with a part of them", a, b, c)
	}
	select {
	case err := <-ended:
		t.Fatalf("it has ended although nothing has changed: %v", err)
	default:
	}
	s.bind(none, all)
	if err := <-ended; !errors.Is(err, controllers.ErrNamespaceBack) || !strings.Contains(err.Error(), none) {
		t.Errorf("with one more namespace it ended with %v", err)
	}
	stop, ended := s.start(none, theirs, part)
	s.works(none)
	if v := watched(t, none); v != 1 {
		t.Errorf("watched: %v, want 1", v)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNoAnswerAboutANamespace: it is not left out because the API server is away.
func TestNoAnswerAboutANamespace(t *testing.T) {
	cfg := rest.CopyConfig(kubetest.Config(t))
	cfg.Wrap(func(http.RoundTripper) http.RoundTripper { return away{} })
	_, err := controllers.NewManager(t.Context(), cfg, controllers.ManagerOptions{
		MetricsAddress: "0", ProbeAddress: "0", Namespaces: []string{"a"}, SharedProcess: true, Log: logr.Discard(),
	}, controllers.Options{Image: ownImage, Fleet: fleettest.New(), Clock: clock.RealClock{}})
	if err == nil || !strings.Contains(err.Error(), "namespace a: ") || watched(t, "a") != -1 {
		t.Errorf("error %v, watched %v", err, watched(t, "a"))
	}
}

// away is an API server that cannot be reached.
type away struct{}

func (away) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}
