package controllers_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard()) // what no manager logs
	kubetest.Main(m)
}

const (
	ownImage = "registry.example/olmoe:v1"
	patience = 90 * time.Second // usually 1 to 3 s; other work may keep the machine busy

	operatorUser = "system:serviceaccount:system:manager" // of config/rbac/role_binding.yaml
)

// world is a namespace with an operator in it, and players for what a test API
// server lacks.
type world struct {
	*testing.T
	client.Client // of an administrator
	ns            string
	fleet         *fleettest.Fleet
	players       *players
	writes        atomic.Int64 // requests of the operator that change something
	outdated      atomic.Int64 // so many writes of a pool's status are refused, as if it had been read before the last write
	conflicts     atomic.Int64 // rounds that ended with such a refusal as an error
	refusedSets   atomic.Int64 // StatefulSets that the API server did not let it make
	stop          context.CancelFunc
	stopped       chan struct{}
	clock         clock.PassiveClock
	quiet         atomic.Bool
	hungEvents    atomic.Bool // the API server does not answer when it is asked for events
}

// fastClock runs faster than the real one: rules that take minutes take seconds.
type fastClock struct {
	start time.Time
	speed int64
}

func (c fastClock) Now() time.Time {
	return c.start.Add(time.Duration(int64(time.Since(c.start)) * c.speed))
}
func (c fastClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// newWorld starts an operator that works in a namespace of its own, with exactly
// the rights that config/rbac gives.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldAt(t, clock.RealClock{})
}

func newWorldAt(t *testing.T, at clock.PassiveClock) *world {
	t.Helper()
	c := kubetest.Client(t)
	grant(t, c, "role.yaml", "role_binding.yaml")
	w := &world{T: t, Client: c, ns: kubetest.Namespace(t, c), fleet: fleettest.New(), clock: at}
	w.players = newPlayers(w)
	w.startOperator(ownImage)
	t.Cleanup(w.stopOperator)
	return w
}

// grant creates what files of config/rbac say.
func grant(t *testing.T, c client.Client, files ...string) {
	t.Helper()
	for _, file := range files {
		raw, err := os.ReadFile(filepath.Join(kubetest.Root(), "config", "rbac", file))
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq(string(raw), "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(doc), o); err != nil {
				t.Fatal(err)
			}
			if err := c.Create(t.Context(), o); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
	}
}

func (w *world) startOperator(image string) {
	w.Helper()
	cfg := rest.CopyConfig(kubetest.Config(w.T))
	cfg.Impersonate = rest.ImpersonationConfig{
		UserName: operatorUser, Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return wire{next, w} })
	mgr := once(w.T, func() (ctrl.Manager, error) {
		return controllers.NewManager(w.Context(), cfg, controllers.ManagerOptions{
			MetricsAddress: "0", ProbeAddress: "0", Namespaces: []string{w.ns}, SharedProcess: true,
			Log: w.log(),
		}, controllers.Options{Image: image, Fleet: w.fleet, Clock: w.clock})
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	stopped := make(chan struct{})
	w.stop, w.stopped = cancel, stopped
	go func() {
		defer close(stopped)
		if err := mgr.Start(ctx); err != nil {
			w.Errorf("operator: %v", err)
		}
	}()
}

// once makes a manager when the API server knows of its rights, which were given just now.
func once(t *testing.T, newManager func() (ctrl.Manager, error)) (mgr ctrl.Manager) {
	t.Helper()
	soon(t, func() string {
		var err error
		if mgr, err = newManager(); apierrors.IsForbidden(err) {
			return err.Error()
		} else if err != nil {
			t.Fatal(err)
		}
		return ""
	})
	return mgr
}

func (w *world) stopOperator() {
	w.stop()
	<-w.stopped
	w.quiet.Store(true)
}

// log goes to the test until the operator has stopped: events are sent in the
// background, and a test that is over must not be told that one was not.
func (w *world) log() logr.Logger {
	w.quiet.Store(false)
	return funcr.New(func(prefix, args string) {
		if strings.Contains(args, "Reconciler error") && strings.Contains(args, "reported a conflict") {
			w.conflicts.Add(1)
		}
		if !w.quiet.Load() && strings.Contains(args, `"error"`) {
			w.Log(prefix, args)
		}
	}, funcr.Options{})
}

// wire is between the operator and the API server: it counts requests that change
// something, and StatefulSets that may not be made.
type wire struct {
	next http.RoundTripper
	w    *world
}

func (x wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		x.w.writes.Add(1)
	} else if strings.HasSuffix(r.URL.Path, "/events") && x.w.hungEvents.Load() {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/expertpools/") && strings.HasSuffix(r.URL.Path, "/status") && x.w.outdated.Add(-1) >= 0 {
		return &http.Response{StatusCode: http.StatusConflict, Body: http.NoBody, Request: r}, nil
	}
	answer, err := x.next.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusForbidden && strings.Contains(r.URL.Path, "/statefulsets/") {
		x.w.refusedSets.Add(1)
	}
	return answer, err
}

// create makes an OLMoEDeployment from the YAML of its spec.
func (w *world) create(name, spec string) *v1alpha1.OLMoEDeployment {
	w.Helper()
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		w.Fatal(err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("OLMoEDeployment"))
	o.SetNamespace(w.ns)
	o.SetName(name)
	if err := w.Create(w.Context(), o); err != nil {
		w.Fatal(err)
	}
	var made v1alpha1.OLMoEDeployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &made); err != nil {
		w.Fatal(err)
	}
	return &made
}

// patch merges JSON into an object.
func (w *world) patch(o client.Object, name, text string) {
	w.Helper()
	o.SetNamespace(w.ns)
	o.SetName(name)
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		w.Fatal(err)
	}
	if err := w.Patch(w.Context(), o, client.RawPatch("application/merge-patch+json", raw), client.FieldOwner("somebody")); err != nil {
		w.Fatal(err)
	}
}

// get reads an object; it must be there.
func get[T client.Object](w *world, o T, name string) T {
	w.Helper()
	if err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, o); err != nil {
		w.Fatal(err)
	}
	return o
}

func (w *world) deployment() *v1alpha1.OLMoEDeployment {
	w.Helper()
	return get(w, &v1alpha1.OLMoEDeployment{}, "demo")
}

func (w *world) pool() *v1alpha1.ExpertPool {
	w.Helper()
	return get(w, &v1alpha1.ExpertPool{}, "demo")
}

// until lets the players play until is returns "", or fails with what it said last.
func (w *world) until(is func() string) {
	w.Helper()
	w.within(patience, is)
}

func (w *world) within(limit time.Duration, is func() string) {
	w.Helper()
	w.watch(limit, func() string { w.players.play(); return is() })
}

// watch is within without players, who would wait for a frozen pod.
func (w *world) watch(limit time.Duration, is func() string) {
	w.Helper()
	deadline := time.Now().Add(limit)
	for {
		said := is()
		if said == "" {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("after %s: %s", limit, said)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// untilReady waits until the newest spec is Ready.
func (w *world) untilReady() {
	w.Helper()
	w.until(func() string { return w.not(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAsWanted) })
}

// untilReason waits for Stalled with a reason, and returns the message.
func (w *world) untilReason(reason string) string {
	w.Helper()
	var d *v1alpha1.OLMoEDeployment // as it was when the reason was there
	w.until(func() string {
		d = w.deployment()
		return not(d, v1alpha1.ConditionStalled, metav1.ConditionTrue, reason)
	})
	return conditions.Of(d.Status.Conditions, v1alpha1.ConditionStalled).Message
}

func (w *world) not(kind string, status metav1.ConditionStatus, reason string) string {
	return not(w.deployment(), kind, status, reason)
}

func not(d *v1alpha1.OLMoEDeployment, kind string, status metav1.ConditionStatus, reason string) string {
	c := conditions.Of(d.Status.Conditions, kind)
	if c.Status == status && c.Reason == reason && c.ObservedGeneration == d.Generation {
		return ""
	}
	return "condition " + kind + " is " + string(c.Status) + ", " + c.Reason + ": " + c.Message
}
