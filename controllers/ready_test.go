package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/olmoe-serving/olmoe-operator/controllers"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// TestReadyWhenSynced: a replica that stands by is ready when it could lead, not before: a
// roll takes the former one away then.
func TestReadyWhenSynced(t *testing.T) {
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	other, long, now := "another replica", int32(3600), metav1.NowMicro()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "lease", Namespace: ns},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &other, LeaseDurationSeconds: &long, AcquireTime: &now, RenewTime: &now}}
	if err := c.Create(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	cfg := rest.CopyConfig(kubetest.Config(t))
	pods := slowPods{asked: make(chan struct{}, 100), answer: make(chan struct{})}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { pods.next = next; return pods })
	r := running{probes: freeAddress(t)}
	mgr, err := controllers.NewManager(t.Context(), cfg, controllers.ManagerOptions{
		MetricsAddress: "0", ProbeAddress: r.probes, LeaderElection: true, LeaseName: "lease", LeaseNamespace: ns, SharedProcess: true, Log: logr.Discard(),
	}, controllers.Options{Image: ownImage, Fleet: fleettest.New(), Clock: clock.RealClock{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-pods.asked:
	case <-time.After(patience):
		t.Fatal("a replica that stands by does not look at pods")
	}
	soon(t, func() string {
		healthy, _ := fetch(t, "http://"+r.probes+"/healthz", "")
		ready, _ := fetch(t, "http://"+r.probes+"/readyz", "")
		if healthy != http.StatusOK || ready != http.StatusInternalServerError {
			return fmt.Sprintf("before its caches have synced: healthy %d, ready %d", healthy, ready)
		}
		return ""
	})
	close(pods.answer)
	r.waitProbe(t)
	select {
	case <-mgr.Elected():
		t.Error("it leads, and this test is of one that stands by")
	default:
	}
}

// slowPods is an API server that does not tell of pods until answer is closed.
type slowPods struct {
	next          http.RoundTripper
	asked, answer chan struct{}
}

func (s slowPods) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/pods") {
		select {
		case s.asked <- struct{}{}:
		default:
		}
		select {
		case <-s.answer:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return s.next.RoundTrip(r)
}
