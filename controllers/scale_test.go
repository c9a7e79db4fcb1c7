package controllers_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

func (w *world) setNodes(n int) {
	w.Helper()
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", fmt.Sprintf("spec: {expertNodes: %d}", n))
}

// TestScaleMovesOnlyWhatMust: up, a new node takes its share from the others;
// down, a leaving node's experts go to the others, and it leaves last.
func TestScaleMovesOnlyWhatMust(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	two := w.document().Serving
	w.setNodes(3)
	w.untilReady()
	three := w.document().Serving
	if n := len(placement.Diff(two, three, 1)); n != 16*21 {
		t.Errorf("2 -> 3 nodes: %d experts loaded, want 336 (a third of 1024, rounded down in each layer)", n)
	}
	for _, m := range placement.Diff(two, three, 1) {
		if m.To != "demo-experts-2" {
			t.Fatalf("an expert moved to %s, want the new node only", m.To)
		}
	}
	w.setNodes(2)
	w.until(func() string {
		if doc := w.document(); doc.Target != nil || len(doc.Serving.Nodes) == 3 {
			if *get(w, &appsv1.StatefulSet{}, "demo-experts").Spec.Replicas < 3 {
				t.Fatal("the node left before routers stopped using it")
			}
		}
		return w.not(v1alpha1.ConditionReady, "True", v1alpha1.ReasonAsWanted)
	})
	for _, m := range placement.Diff(three, w.document().Serving, 1) {
		if m.From != "demo-experts-2" {
			t.Fatalf("an expert moved away from %s, want from the leaving node only", m.From)
		}
	}
	if n := *get(w, &appsv1.StatefulSet{}, "demo-experts").Spec.Replicas; n != 2 {
		t.Errorf("%d replicas, want 2", n)
	}
}

// TestAvailableWhileScaling: while experts move, requests are served; Ready says
// that the change is not done.
func TestAvailableWhileScaling(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	var routers corev1.PodList
	if err := w.List(t.Context(), &routers, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/component": "router"}); err != nil {
		t.Fatal(err)
	}
	w.fleet.Edit(address(&routers.Items[0]), func(p *fleettest.Pod) { p.Lag = true })
	w.setNodes(3)
	w.until(func() string { return w.not(v1alpha1.ConditionReady, "False", v1alpha1.ReasonRebalancing) })
	if said := w.not(v1alpha1.ConditionAvailable, "True", v1alpha1.ReasonServing); said != "" {
		t.Error(said)
	}
	if doc := w.document(); doc.Serving == nil || len(doc.Serving.Nodes) != 2 || doc.Target == nil || len(doc.Target.Nodes) != 3 {
		t.Errorf("the old placement must stay in force until the router has switched")
	}
	w.fleet.Edit(address(&routers.Items[0]), func(p *fleettest.Pod) { p.Lag = false })
	w.untilReady()
}

// TestNotReadyBeforeTheSpecIsMet: while the same nodes load second copies of experts,
// the spec that asks for them is not Ready.
func TestNotReadyBeforeTheSpecIsMet(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 4")
	w.untilReady()
	w.fleet.Hold(true)
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {experts: {replicasPerExpert: 2}}")
	w.until(func() string {
		if said := w.not(v1alpha1.ConditionReady, "True", v1alpha1.ReasonAsWanted); said == "" {
			t.Fatal("Ready with one copy of each expert, want two")
		}
		return w.not(v1alpha1.ConditionReady, "False", v1alpha1.ReasonRebalancing)
	})
	w.fleet.Hold(false)
	w.untilReady()
	if n := len(w.document().Serving.Nodes[0].Experts[0]); n != 32 {
		t.Errorf("Ready with %d experts of a layer on a node, want 32", n)
	}
}

// TestOperatorRestartsAtEachStep: an operator that starts anywhere in the middle
// goes on from the record.
func TestOperatorRestartsAtEachStep(t *testing.T) {
	w := newWorld(t)
	known := w.players.model
	restart := func() {
		w.stopOperator()
		w.startOperator(ownImage)
	}
	step := func(what string, reached func(*placement.Document) bool) *placement.Document {
		t.Helper()
		var doc placement.Document
		w.until(func() string {
			var cm corev1.ConfigMap
			if w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "demo-placement"}, &cm) == nil {
				doc = *w.document()
			}
			if reached(&doc) {
				return ""
			}
			return fmt.Sprintf("%s: not reached by revision %d", what, doc.Revision)
		})
		restart()
		return &doc
	}
	through := func(want int) {
		t.Helper()
		target := step("target published", func(d *placement.Document) bool { return d.Target != nil && len(d.Target.Nodes) == want })
		time.Sleep(2 * time.Second) // the new operator looks, and waits for the same
		if now := w.document(); mustJSON(now) != mustJSON(target) {
			t.Errorf("the new operator replaced revision %d by %d", target.Revision, now.Revision)
		}
		w.fleet.Hold(false)
		step("target in force", func(d *placement.Document) bool { return d.Target == nil && len(d.Serving.Nodes) == want })
		w.untilReady()
	}
	w.fleet.Hold(true)
	w.players.model = nil // pods run, but have not opened the model
	w.create("demo", model+"expertNodes: 2")
	w.until(func() string { return w.not(v1alpha1.ConditionReconciling, "True", v1alpha1.ReasonProgressing) })
	restart()
	w.players.tell(known)
	through(2)
	was := w.document().Serving
	w.fleet.Hold(true)
	w.setNodes(3)
	through(3)
	if n := len(placement.Diff(was, w.document().Serving, 1)); n != 16*21 {
		t.Errorf("%d experts loaded, want 336 as without restarts", n)
	}
	w.fleet.Hold(true)
	w.setNodes(1)
	through(1)
}

// TestNumberOfNodesWithoutSpec: without expertNodes the number belongs to whoever
// scales the pool; the operator neither sets it back nor fights (docs/adr/0070).
func TestNumberOfNodesWithoutSpec(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"experts: {replicasPerExpert: 3}")
	w.untilReady()
	if n := *w.pool().Spec.Replicas; n != 3 {
		t.Fatalf("a new pool has %d nodes, want 3: one for each replica", n)
	}
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 4}}
	if err := w.SubResource("scale").Update(t.Context(), w.pool(), client.WithSubResourceBody(scale)); err != nil {
		t.Fatal(err)
	}
	w.until(func() string {
		if n := len(w.document().Serving.Nodes); n != 4 {
			return fmt.Sprintf("%d nodes in the placement, want 4", n)
		}
		return ""
	})
	w.untilReady()
	if err := w.SubResource("scale").Get(t.Context(), w.pool(), scale); err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 4 || scale.Status.Replicas != 4 || scale.Status.Selector == "" {
		t.Errorf("scale %+v %+v, want 4 nodes and a selector", scale.Spec, scale.Status)
	}
	scale.Spec.Replicas = 2
	if err := w.SubResource("scale").Update(t.Context(), w.pool(), client.WithSubResourceBody(scale)); err == nil {
		t.Error("fewer nodes than replicas of an expert were accepted")
	}
	w.setNodes(3) // now the spec decides
	w.until(func() string {
		if n := *w.pool().Spec.Replicas; n != 3 {
			return fmt.Sprintf("%d nodes, want 3", n)
		}
		return ""
	})
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {expertNodes: null, routers: {replicas: 2}}")
	w.untilReady()
	if n := *w.pool().Spec.Replicas; n != 3 {
		t.Errorf("taking expertNodes out of the spec changed the pool to %d nodes, want 3 as before", n)
	}
}

// TestUpgradeRestartsNothing: an operator with another image of its own leaves
// running pods alone (invariant 7); the spec's image rolls them.
func TestUpgradeRestartsNothing(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	set, routers := get(w, &appsv1.StatefulSet{}, "demo-experts"), get(w, &appsv1.Deployment{}, "demo-router")
	w.stopOperator()
	w.startOperator("registry.example/olmoe:v2")
	patched := &v1alpha1.OLMoEDeployment{}
	w.patch(patched, "demo", "spec: {service: {port: 8080}}") // something to reconcile
	w.until(func() string {
		if p := get(w, &corev1.Service{}, "demo-router").Spec.Ports[0].Port; p != 8080 {
			return fmt.Sprint("service port ", p)
		}
		return ""
	})
	w.untilReady()
	if a, b := get(w, &appsv1.StatefulSet{}, "demo-experts"), get(w, &appsv1.Deployment{}, "demo-router"); a.Generation != set.Generation || b.Generation != routers.Generation {
		t.Error("the new operator changed the pods' templates")
	}
	if i := w.deployment().Status.Image; i != ownImage {
		t.Errorf("status.image %q, want %q", i, ownImage)
	}
	w.checkUsersObject(patched)
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {image: 'registry.example/olmoe:v2'}")
	w.untilReady()
	var pods corev1.PodList
	if err := w.List(t.Context(), &pods, client.InNamespace(w.ns)); err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		if i := p.Spec.Containers[0].Image; i != "registry.example/olmoe:v2" {
			t.Errorf("pod %s runs %s", p.Name, i)
		}
	}
	if len(pods.Items) != 3 {
		t.Errorf("%d pods, want 3", len(pods.Items))
	}
}

// TestDeletionLeavesNothingBehind: no finalizer holds the object, and the operator
// does not make children of a deleted one.
func TestDeletionLeavesNothingBehind(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	if err := w.Delete(t.Context(), w.deployment()); err != nil {
		t.Fatal(err)
	}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "demo"}, &v1alpha1.OLMoEDeployment{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Fatalf("the object is still there: %v", err)
	}
	pool := w.pool()
	pool.Finalizers = nil
	if err := w.Delete(t.Context(), pool); err != nil { // as the garbage collector would
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), get(w, &appsv1.StatefulSet{}, "demo-experts")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "demo-experts"}, &appsv1.StatefulSet{}); err == nil {
		t.Error("a child of a deleted object came back")
	}
}

// TestNoChildOfADeletedOwner: the operator's cache may still hold an owner that is
// deleted, and no longer the child that was deleted with it.
func TestNoChildOfADeletedOwner(t *testing.T) {
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner", Namespace: ns}}
	if err := c.Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	a := &apply.Applier{Client: c, Live: c, Owner: owner.DeepCopy(), Manager: apply.Manager, Settled: &apply.Settled{}}
	child := func() (bool, error) {
		live := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "child", Namespace: ns}}
		return a.Apply(t.Context(), live, corev1ac.ConfigMap("child", ns).
			WithOwnerReferences(a.OwnerReference(corev1.SchemeGroupVersion.WithKind("ConfigMap"))))
	}
	if wrote, err := child(); err != nil || !wrote {
		t.Fatalf("the owner is there: wrote %t, %v", wrote, err)
	}
	for name, again := range map[string]bool{"deleted": false, "made again": true} {
		for _, o := range []string{"child", "owner"} {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: o, Namespace: ns}}
			if err := client.IgnoreNotFound(c.Delete(t.Context(), cm)); err != nil {
				t.Fatal(err)
			}
		}
		if again {
			if err := c.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner", Namespace: ns}}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := child(); !errors.Is(err, apply.ErrOwnerGone) {
			t.Errorf("%s: %v, want %v", name, err, apply.ErrOwnerGone)
		}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "child"}, &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s: the child is there: %v", name, err)
		}
	}
}

// TestNumberAndReplicasChangeTogether: the API server checks the number of nodes and
// the replicas of an expert together, so that no valid spec may meet the old other one.
func TestNumberAndReplicasChangeTogether(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 3\nexperts: {replicasPerExpert: 3}")
	w.untilReady()
	w.untilPool(3, 3)
	steps := []struct {
		what, spec      string
		nodes, replicas int32
	}{
		{"fewer of both", "{expertNodes: 1, experts: {replicasPerExpert: 1}}", 1, 1},
		{"more of both", "{expertNodes: 2, experts: {replicasPerExpert: 2}}", 2, 2},
		{"the operator's number is too small for new replicas", "{expertNodes: null, scaling: {min: 3, max: 8}, experts: {replicasPerExpert: 3}}", 3, 3},
		{"the number is nobody's", "{scaling: null, experts: {replicasPerExpert: 4}}", 4, 4},
	}
	for _, s := range steps {
		t.Log(s.what)
		w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: "+s.spec)
		w.untilPool(s.nodes, s.replicas)
		w.untilReady()
	}
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {expertNodes: 2, experts: {replicasPerExpert: 1}}")
	w.untilPool(2, 1)
	w.patch(&v1alpha1.ExpertPool{}, "demo", "spec: {replicas: 7, experts: {replicasPerExpert: 5}}")
	w.untilPool(2, 1)
	w.untilReady()
}

// untilPool waits until the pool has so many nodes and replicas of an expert.
func (w *world) untilPool(nodes, replicas int32) {
	w.Helper()
	w.until(func() string {
		s := w.pool().Spec
		if *s.Replicas == nodes && *s.Experts.ReplicasPerExpert == replicas {
			return ""
		}
		stalled := conditions.Of(w.deployment().Status.Conditions, v1alpha1.ConditionStalled)
		return fmt.Sprintf("%d nodes and %d replicas, want %d and %d: %s", *s.Replicas, *s.Experts.ReplicasPerExpert, nodes, replicas, stalled.Message)
	})
}
