package controllers_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/controllers"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// TestManager runs the whole operator with no rights but those of config/rbac:
// one of two is leader and the other takes over, probes answer, and metrics are
// for those who may read them.
func TestManager(t *testing.T) {
	c := kubetest.Client(t)
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "system"}}
	if err := c.Create(t.Context(), system); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	grant(t, c, "role.yaml", "role_binding.yaml", "metrics_role.yaml", "leader_election_role.yaml")

	first := startManager(t)
	first.waitProbe(t)
	leader := holder(t, c, "")
	second := startManager(t)
	second.waitProbe(t)
	time.Sleep(time.Second)
	if now := holder(t, c, ""); now != leader {
		t.Errorf("the leader changed from %s to %s although it lives", leader, now)
	}
	testMetrics(t, c, first.metrics)
	first.stop()
	if now := holder(t, c, leader); now == leader {
		t.Error("the second operator did not take over")
	}
}

type running struct {
	metrics, probes string
	stop            func()
}

func startManager(t *testing.T) running {
	t.Helper()
	cfg := rest.CopyConfig(kubetest.Config(t))
	cfg.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:system:manager", Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}
	r := running{metrics: freeAddress(t), probes: freeAddress(t)}
	mgr, err := controllers.NewManager(t.Context(), cfg, controllers.ManagerOptions{
		MetricsAddress: r.metrics, ProbeAddress: r.probes, LeaderElection: true, LeaseName: controllers.LeaseName, LeaseNamespace: "system",
		SharedProcess: true, Log: logr.Discard(),
	}, controllers.Options{Image: ownImage, Fleet: fleettest.New(), Clock: clock.RealClock{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := mgr.Start(ctx); err != nil {
			t.Errorf("operator: %v", err)
		}
	}()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (r running) waitProbe(t *testing.T) {
	t.Helper()
	soon(t, func() string {
		for _, path := range []string{"/healthz", "/readyz"} {
			if code, _ := fetch(t, "http://"+r.probes+path, ""); code != http.StatusOK {
				return fmt.Sprintf("%s answers %d", path, code)
			}
		}
		return ""
	})
}

// holder waits until somebody other than not holds the Lease.
func holder(t *testing.T, c client.Client, not string) (name string) {
	t.Helper()
	soon(t, func() string {
		var l coordinationv1.Lease
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "system", Name: controllers.LeaseName}, &l); err != nil {
			return err.Error()
		}
		if l.Spec.HolderIdentity != nil {
			name = *l.Spec.HolderIdentity
		}
		if name == "" || name == not {
			return "the Lease is held by " + name
		}
		return ""
	})
	return name
}

// testMetrics: nobody without a token, nobody without the right, and somebody
// bound to metrics-reader.
func testMetrics(t *testing.T, c client.Client, address string) {
	url := "https://" + address + "/metrics"
	soon(t, func() string { // the server starts beside the leader election
		if code, _ := fetch(t, url, ""); code != http.StatusUnauthorized {
			return fmt.Sprintf("without a token: %d, want 401", code)
		}
		return ""
	})
	ns := kubetest.Namespace(t, c)
	token := serviceAccountToken(t, c, ns)
	if code, _ := fetch(t, url, token); code != http.StatusForbidden {
		t.Errorf("without the right: %d, want 403", code)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "metrics-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: "reader"}},
	}
	if err := c.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	soon(t, func() string {
		if code, body := fetch(t, url, token); code != http.StatusOK || !strings.Contains(body, "controller_runtime_reconcile_total") {
			return fmt.Sprintf("with the right: %d", code)
		}
		return ""
	})
}

func serviceAccountToken(t *testing.T, c client.Client, ns string) string {
	t.Helper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "reader", Namespace: ns}}
	if err := c.Create(t.Context(), sa); err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{}
	if err := c.SubResource("token").Create(t.Context(), sa, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func fetch(t *testing.T, url, token string) (code int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	web := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test server's certificate is self-signed
	}}
	defer web.CloseIdleConnections()
	answer, err := web.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	raw, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(raw)
}

func soon(t *testing.T, is func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		said := is()
		if said == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(said)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
