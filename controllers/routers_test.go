package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/deployment"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

func (w *world) routers() *appsv1.Deployment {
	w.Helper()
	return get(w, &appsv1.Deployment{}, "demo-router")
}

// scaleRouters writes the number as autoscalers do.
func (w *world) scaleRouters(n int32) {
	w.Helper()
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: n}}
	if err := w.SubResource("scale").Update(w.Context(), w.routers(), client.WithSubResourceBody(scale), client.FieldOwner("autoscaler")); err != nil {
		w.Fatal(err)
	}
}

// setRouters changes spec.routers.
func (w *world) setRouters(text string) {
	w.Helper()
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {routers: "+text+"}")
}

// untilRouters waits until everything is Ready with so many routers.
func (w *world) untilRouters(n int32) {
	w.Helper()
	want := fmt.Sprintf("%d/%d", n, n)
	w.until(func() string {
		if got := w.deployment().Status.Summary.Routers; got != want {
			return "routers " + got + ", want " + want
		}
		return w.not(v1alpha1.ConditionReady, "True", v1alpha1.ReasonAsWanted)
	})
	if got := *w.routers().Spec.Replicas; got != n {
		w.Errorf("the Deployment has %d routers, want %d", got, n)
	}
}

func (w *world) routerPods() []corev1.Pod {
	w.Helper()
	var pods corev1.PodList
	if err := w.List(w.Context(), &pods, client.InNamespace(w.ns), client.MatchingLabels(w.routers().Spec.Selector.MatchLabels)); err != nil {
		w.Fatal(err)
	}
	return pods.Items
}

// checkQuiet: rounds at rest write nothing (invariant 7).
func (w *world) checkQuiet() {
	w.Helper()
	time.Sleep(time.Second) // events are written a moment later
	before, pods := w.writes.Load(), w.routerPods()
	for i := range 3 {
		w.patch(&corev1.Pod{}, pods[0].Name, fmt.Sprintf("metadata: {annotations: {touched: '%d'}}", i))
		time.Sleep(300 * time.Millisecond)
	}
	if n := w.writes.Load() - before; n != 0 {
		w.Errorf("%d writes at rest, want none", n)
	}
}

// numbers records, in order, how many routers the Deployment has had from now on, until
// the returned function is called.
func (w *world) numbers() (stop func() []int32) {
	w.Helper()
	c, err := client.NewWithWatch(kubetest.Config(w.T), client.Options{Scheme: kubetest.Scheme()})
	if err != nil {
		w.Fatal(err)
	}
	seen, err := c.Watch(w.Context(), &appsv1.DeploymentList{}, client.InNamespace(w.ns))
	if err != nil {
		w.Fatal(err)
	}
	var all []int32
	last := make(chan struct{})
	go func() {
		defer close(last)
		for e := range seen.ResultChan() {
			d, ok := e.Object.(*appsv1.Deployment)
			if ok && d.Annotations["last"] != "" {
				return
			}
			if ok && (len(all) == 0 || all[len(all)-1] != *d.Spec.Replicas) {
				all = append(all, *d.Spec.Replicas)
			}
		}
	}()
	return func() []int32 {
		w.Helper()
		w.patch(&appsv1.Deployment{}, "demo-router", "metadata: {annotations: {last: 'yes'}}")
		<-last
		seen.Stop()
		w.patch(&appsv1.Deployment{}, "demo-router", "metadata: {annotations: {last: null}}")
		return all
	}
}

// TestNumberOfRoutersWithoutSpec: without routers.replicas the number belongs to whoever
// scales the Deployment; the operator neither sets it back nor hides it (docs/adr/0148).
func TestNumberOfRoutersWithoutSpec(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilRouters(1)
	w.scaleRouters(3)
	w.untilRouters(3)
	w.checkQuiet()
	was := w.routers().Generation
	w.setRouters("{maxQueue: 7}")
	w.untilRouters(3)
	if w.routers().Generation == was {
		t.Error("the spec's change has not come to the Deployment: nothing is shown")
	}
	w.scaleRouters(2)
	w.untilRouters(2)
	w.checkQuiet()
}

// TestNoRouter: who scales the routers to nothing is told so, and nothing is Ready.
func TestNoRouter(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	w.scaleRouters(0)
	w.until(func() string {
		return w.not(v1alpha1.ConditionReady, "False", v1alpha1.ReasonRoutersNotReady) + w.not(v1alpha1.ConditionAvailable, "False", v1alpha1.ReasonNotServing)
	})
	if said := conditions.Of(w.deployment().Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(said, "scaled to 0") {
		t.Errorf("said %q", said)
	}
	w.scaleRouters(1)
	w.untilRouters(1)
}

// TestRoutersAreHandedOver: a number that is taken out of the spec stays; nothing drains.
func TestRoutersAreHandedOver(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2\nrouters: {replicas: 3}")
	w.untilRouters(3)
	stop := w.numbers()
	w.setRouters("{replicas: null, maxQueue: 7}")
	w.untilRouters(3)
	w.checkQuiet()
	if got := stop(); len(got) != 1 || got[0] != 3 {
		t.Errorf("the Deployment went through %v routers, want 3 all the time", got)
	}
	w.scaleRouters(4)
	w.untilRouters(4)
	w.checkQuiet()
	w.setRouters("{replicas: 2}") // now the spec decides
	w.untilRouters(2)
	w.scaleRouters(5)
	w.untilRouters(2)
	w.setRouters("{replicas: null}")
	w.untilRouters(2)
	w.checkQuiet()
}

// oldCache is a client that reads Deployments as they were, while was is set.
type oldCache struct {
	client.Client
	was *appsv1.Deployment
}

func (c *oldCache) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if d, ok := o.(*appsv1.Deployment); ok && c.was != nil {
		c.was.DeepCopyInto(d)
		return nil
	}
	return c.Client.Get(ctx, key, o, opts...)
}

// TestNumberThatTheCacheDoesNotHold: a number that was taken out of the spec right after it
// had been given stays, too, although the operator cannot see yet that it owns it.
func TestNumberThatTheCacheDoesNotHold(t *testing.T) {
	c := &oldCache{Client: kubetest.Client(t)}
	w := &world{T: t, Client: c.Client, ns: kubetest.Namespace(t, c)}
	r := &deployment.Reconciler{Client: c, Live: c.Client, Events: events.NewFakeRecorder(100), Clock: clock.RealClock{}, Image: ownImage}
	round := func() error {
		_, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKey{Namespace: w.ns, Name: "demo"}})
		return err
	}
	must := func(n int32) {
		t.Helper()
		if err := round(); err != nil {
			t.Fatal(err)
		}
		if got := *w.routers().Spec.Replicas; got != n {
			t.Fatalf("%d routers, want %d", got, n)
		}
	}
	w.create("demo", model)
	must(1)
	w.scaleRouters(3)
	must(3)
	was := w.routers()
	w.setRouters("{replicas: 4}")
	must(4)
	w.setRouters("{replicas: null, maxQueue: 7}")
	c.was = was
	if err := round(); !apierrors.IsConflict(err) {
		t.Errorf("a round with an old cache: %v, want a conflict", err)
	}
	c.was = nil
	must(4)
	must(4)
	if d := w.routers(); apply.Owns(d, apply.Manager, "spec", "replicas") || d.Generation == was.Generation+1 {
		t.Errorf("the new spec has not come, or without a handover: %+v", d.ManagedFields)
	}
}
