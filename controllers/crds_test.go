package controllers_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/olmoe-serving/olmoe-operator/controllers"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// TestCRDsAreWaitedFor: an operator that comes before its CRDs waits for them and says what
// to do, in some namespaces as in all.
func TestCRDsAreWaitedFor(t *testing.T) {
	ns := kubetest.Namespace(t, kubetest.Client(t))
	for name, namespaces := range map[string][]string{"all": nil, "some": {ns}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			kinds, told := &unknownKinds{}, make(chan struct{}, 100)
			cfg := rest.CopyConfig(kubetest.Config(t))
			cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { kinds.next = next; return kinds })
			r := running{probes: freeAddress(t)}
			mgr, err := controllers.NewManager(t.Context(), cfg, controllers.ManagerOptions{
				MetricsAddress: "0", ProbeAddress: r.probes, Namespaces: namespaces, SharedProcess: true,
				Log: funcr.New(func(_, said string) {
					if strings.Contains(said, "its CRD is missing: kubectl apply") {
						select {
						case told <- struct{}{}:
						default:
						}
					}
				}, funcr.Options{}),
			}, controllers.Options{Image: ownImage, Fleet: fleettest.New(), Clock: clock.RealClock{}})
			if err != nil {
				t.Fatalf("it does not start: %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- mgr.Start(ctx) }()
			select {
			case <-told:
			case err := <-ended:
				t.Fatalf("it has ended: %v", err)
			case <-time.After(patience):
				t.Fatal("it does not say that CRDs are missing")
			}
			kinds.known.Store(true)
			r.waitProbe(t)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// unknownKinds is an API server that does not know the operator's kinds until they are known.
type unknownKinds struct {
	next  http.RoundTripper
	known atomic.Bool
}

func (u *unknownKinds) RoundTrip(r *http.Request) (*http.Response, error) {
	const group = "serving.olmoe.dev"
	if !u.known.Load() && strings.HasPrefix(r.URL.Path, "/apis/"+group) {
		return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	answer, err := u.next.RoundTrip(r)
	if err != nil || u.known.Load() || r.URL.Path != "/apis" {
		return answer, err
	}
	defer func() { _ = answer.Body.Close() }()
	groups, err := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(groups, []byte(group), []byte("another.olmoe.dev"))))
	answer.Header.Del("Etag")
	return answer, err
}
