//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

const (
	// proxySlack is how long a machine's kube-proxy may send new connections to a pod that the Service has
	// left out: it writes its rules once a second at most, and on two cores with more work than they have
	// time for it is late.
	proxySlack = 5 * time.Second
	// outLimit bounds the time until a router that was killed is left out or serves again.
	outLimit = 60 * time.Second
)

// testRouterDies: of two routers one is killed. Only what lives in it ends: streams of the other go on
// unchanged and without a stall, new requests fail only until the Service leaves the dead one out, or it
// serves again, and then it answers as ever.
func testRouterDies(t *testing.T, api endpoint, clients []known) {
	others := learn(t, api, loadClients, loadClients+1) // the other router's clients, and one that looks
	one, others := others[loadClients], others[:loadClients]
	ctl(t, "patch", "olmoe", name, "--type=merge", "-p", `{"spec":{"routers":{"replicas":2}}}`)
	waitReady(t, "2/2")
	var routers []corev1.Pod
	eventually(t, 60*time.Second, func() error {
		if routers = pods(t, "router"); len(routers) != 2 || !serving(routers[0]) || !serving(routers[1]) {
			return fmt.Errorf("%d routers, want two that are ready", len(routers))
		}
		return nil
	})
	dies, lives := startStreams(t, at(routers[0]), clients), startStreams(t, at(routers[1]), others)
	limit := lives.quiet(t).limit()
	api.fresh = true
	killContainer(t, routers[0])
	killed := time.Now()
	out, failed := askUntilOut(t, api, one, routers[0])
	t.Logf("the Service left the router out, or it served again, after %s; new requests failed: %v", out.Sub(killed).Round(10*time.Millisecond), failed)
	for _, f := range failed {
		if f.at.After(out.Add(proxySlack)) {
			t.Errorf("%s after that: %v", f.at.Sub(out).Round(time.Millisecond), f.err)
		}
	}
	bearable(t, "the other router's streams", lives.stalls(), killed, limit)
	lives.stop(t)
	eventually(t, 60*time.Second, func() error { return ready(t.Context(), "2/2") })
	eventually(t, 60*time.Second, func() error {
		err := at(routers[0]).again(t.Context(), one)
		if errors.Is(err, errChanged) {
			t.Fatalf("the router that is back: %v", err)
		}
		return err
	})
	ended := dies.end(t)
	for _, e := range ended {
		if strings.Contains(e, errChanged.Error()) || strings.Contains(e, "deadline exceeded") { // wrong, or no clean end
			t.Error(e)
		}
	}
	if len(ended) < loadClients {
		t.Errorf("%d streams ended with the router, want all %d", len(ended), loadClients)
	}
}

// at is a router's own address.
func at(pod corev1.Pod) endpoint {
	return endpoint{url: fmt.Sprintf("http://%s:%d", pod.Status.PodIP, podspec.PortHTTP), fresh: true}
}

func serving(pod corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, isReady)
}

// failure is a request that was not answered.
type failure struct {
	at  time.Time // when it began
	err error
}

func (f failure) String() string { return fmt.Sprintf("%s: %v", f.at.Format("15:04:05.000"), f.err) }

// askUntilOut asks the Service, one new connection after the other, until it has left a router out for
// some time or that one is back; out is when that began.
func askUntilOut(t *testing.T, api endpoint, one known, router corev1.Pod) (out time.Time, failed []failure) {
	for begun := time.Now(); out.IsZero() || time.Since(out) < proxySlack+2*time.Second; time.Sleep(20 * time.Millisecond) {
		if out.IsZero() && (!listed(t, router.Status.PodIP) || restarted(t, router)) {
			out = time.Now()
		}
		if out.IsZero() && time.Since(begun) > outLimit {
			t.Fatalf("after %s the Service still has the dead router", outLimit)
		}
		start := time.Now()
		err := api.again(t.Context(), one)
		if errors.Is(err, errChanged) {
			t.Fatal(err)
		}
		if err != nil {
			failed = append(failed, failure{start, err})
		}
	}
	return out, failed
}

// listed says whether the Service sends new connections to an address.
func listed(t *testing.T, address string) bool {
	t.Helper()
	var slices discoveryv1.EndpointSliceList
	if err := kube.List(t.Context(), &slices, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	for _, s := range slices.Items {
		for _, e := range s.Endpoints {
			if len(e.Addresses) > 0 && e.Addresses[0] == address && e.Conditions.Ready != nil && *e.Conditions.Ready {
				return true
			}
		}
	}
	return false
}

// restarted says whether the router's container runs again, and serves.
func restarted(t *testing.T, router corev1.Pod) bool {
	t.Helper()
	for _, p := range pods(t, "router") {
		if p.Name == router.Name {
			return p.Status.ContainerStatuses[0].RestartCount > router.Status.ContainerStatuses[0].RestartCount && serving(p)
		}
	}
	return false
}
