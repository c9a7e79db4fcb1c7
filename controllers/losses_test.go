package controllers_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
)

// TestLosses: a pod that loses what it had is told truthfully: Available only if
// every expert still has an owner and a router is there. When it is back, so is Ready.
func TestLosses(t *testing.T) {
	cases := []struct {
		name, spec, component, reason string
		available                     metav1.ConditionStatus
		experts                       string
	}{
		{"only owner", "expertNodes: 2", "expert-node", v1alpha1.ReasonExpertsNotCovered, "False", "512/1024"},
		{"one of two owners", "expertNodes: 2\nexperts: {replicasPerExpert: 2}", "expert-node", v1alpha1.ReasonExpertNodesNotReady, "True", "1024/1024"},
		{"only router", "expertNodes: 1", "router", v1alpha1.ReasonRoutersNotReady, "False", "1024/1024"},
		{"one of two routers", "expertNodes: 1\nrouters: {replicas: 2}", "router", v1alpha1.ReasonRoutersNotReady, "True", "1024/1024"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.create("demo", model+c.spec)
			w.untilReady()
			var pods corev1.PodList
			if err := w.List(t.Context(), &pods, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/component": c.component}); err != nil {
				t.Fatal(err)
			}
			victim := address(&pods.Items[0])
			w.fleet.Lose(victim)
			w.until(func() string { return w.not(v1alpha1.ConditionReconciling, "True", c.reason) })
			d := w.deployment()
			if got := conditions.Of(d.Status.Conditions, v1alpha1.ConditionAvailable).Status; got != c.available {
				t.Errorf("Available is %s, want %s", got, c.available)
			}
			if got := d.Status.Summary.Experts; got != c.experts {
				t.Errorf("%s experts covered, want %s", got, c.experts)
			}
			w.fleet.Edit(victim, func(p *fleettest.Pod) { p.Lag = false })
			w.untilReady()
		})
	}
}

// TestBusyPodIsNotLost: a pod that does not answer in time, but that the kubelet
// finds ready, keeps its experts; the status does not flap.
func TestBusyPodIsNotLost(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	pod := get(w, &corev1.Pod{}, "demo-experts-1")
	w.fleet.Edit(address(pod), func(p *fleettest.Pod) { p.Silent = true })
	version, calls := w.deployment().ResourceVersion, w.fleet.Calls()
	w.patch(&corev1.Pod{}, "demo-experts-0", "metadata: {annotations: {look: again}}")
	w.until(func() string {
		if w.fleet.Calls() < calls+6 {
			return "the operator did not look"
		}
		return ""
	})
	if d := w.deployment(); d.ResourceVersion != version {
		t.Errorf("the status changed: %+v", d.Status.Conditions)
	}
}

// TestOnlyOwnerFreezes: what the only owner of experts held is published for another
// one as soon as a router and the operator have both found it silent.
func TestOnlyOwnerFreezes(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	const victim = "demo-experts-1"
	w.fleet.Hold(true) // the target stays where it is seen
	w.fleet.Edit(address(get(w, &corev1.Pod{}, victim)), func(p *fleettest.Pod) { p.Frozen = true })
	w.alarm(victim)
	begun := time.Now()
	for !w.movedFrom(victim) {
		if time.Since(begun) > patience {
			t.Fatalf("no placement without %s", victim)
		}
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(begun)
	t.Logf("%s after a router missed it, %s was without experts", took.Round(time.Millisecond), victim)
	if took < fleet.HungAfter || took > fleet.HungAfter+5*time.Second { // seconds only on a busy machine
		t.Errorf("took %s, want a little more than %s", took, fleet.HungAfter)
	}
	w.watch(patience, func() string { return w.told("Normal", "PlacementChanged", "since "+victim+" did not answer") })
}

// TestLossWhileEventsHang: what pods that start say in events is for people; a lost
// node's experts do not wait for an API server that does not tell it.
func TestLossWhileEventsHang(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	const victim, starting = "demo-experts-1", "demo-experts-2"
	w.players.broken[starting] = waiting("ContainerCreating", "")
	w.players.machine = func(string) string { return "a" }
	w.hungEvents.Store(true)
	w.setNodes(3)
	w.until(func() string {
		if p := (&corev1.Pod{}); w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: starting}, p) != nil || len(p.Status.ContainerStatuses) == 0 {
			return "no pod is starting"
		}
		return ""
	})
	time.Sleep(time.Second) // a round that looks at events is under way
	w.fleet.Hold(true)      // the target stays where it is seen
	w.fleet.Edit(address(get(w, &corev1.Pod{}, victim)), func(p *fleettest.Pod) { p.Frozen = true })
	w.alarm(victim)
	w.watch(10*time.Second, func() string {
		if w.movedFrom(victim) {
			return ""
		}
		return "no placement without " + victim
	})
}

// TestBusyOwnerIsKept: a node that routers wait for, but that answers the operator,
// keeps its experts.
func TestBusyOwnerIsKept(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	const busy = "demo-experts-1"
	w.fleet.Hold(true)
	calls := w.fleet.Calls()
	w.alarm(busy)
	w.until(func() string {
		if w.fleet.Calls() < calls+12 {
			return "the operator did not look"
		}
		return ""
	})
	if w.movedFrom(busy) {
		t.Errorf("%s is to lose its experts: %+v", busy, w.pool().Status.Placement.Target)
	}
}

// alarm makes a router say that it waits for expert nodes, or no longer does.
func (w *world) alarm(nodes ...string) {
	w.Helper()
	var routers corev1.PodList
	if err := w.List(w.Context(), &routers, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/component": "router"}); err != nil {
		w.Fatal(err)
	}
	w.fleet.Edit(address(&routers.Items[0]), func(p *fleettest.Pod) { p.Waits = nodes })
}

// movedFrom says whether there is a target without a node.
func (w *world) movedFrom(node string) bool {
	w.Helper()
	p := w.pool().Status.Placement
	return p.Target != nil && !slices.ContainsFunc(p.Target.Nodes, func(n v1alpha1.PlacementNode) bool { return n.Name == node })
}

// TestPoolsDoNotWaitForOthers: a lost node's experts find other owners as soon beside many
// pools whose pods cannot be reached.
func TestPoolsDoNotWaitForOthers(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	const others, victim = 20, "demo-experts-1"
	for i := range others {
		w.outOfReach(fmt.Sprintf("other%d", i))
	}
	calls := w.fleet.Calls()
	w.watch(patience, func() string {
		if w.fleet.Calls() < calls+2*others {
			return "the operator did not look"
		}
		return ""
	})
	w.fleet.Hold(true) // the target stays where it is seen
	begun := time.Now()
	w.fleet.Edit(address(get(w, &corev1.Pod{}, victim)), func(p *fleettest.Pod) { p.Frozen = true })
	w.alarm(victim)
	w.watch(patience, func() string {
		if !w.movedFrom(victim) {
			return "no placement without " + victim
		}
		return ""
	})
	took := time.Since(begun)
	t.Logf("beside %d other pools it took %s", others, took.Round(time.Millisecond))
	if took > 2*time.Second { // 3 to 5 s if they wait for each other
		t.Errorf("took %s, want a little more than %s", took, fleet.HungAfter)
	}
}

// outOfReach makes a pool of one node that takes questions and says nothing.
func (w *world) outOfReach(name string) {
	w.Helper()
	like := w.pool()
	p := &v1alpha1.ExpertPool{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.ns}, Spec: like.Spec}
	p.Spec.Replicas = new(int32(1))
	p.Spec.RouterSelector = metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/instance": name, "app.kubernetes.io/component": "router"}}
	pod := get(w, &corev1.Pod{}, "demo-experts-0")
	pod.ObjectMeta = metav1.ObjectMeta{Name: name + "-experts-0", Namespace: w.ns, Labels: pod.Labels}
	pod.Labels["app.kubernetes.io/instance"] = name
	w.players.next++
	pod.Status.PodIP, pod.Status.PodIPs = fmt.Sprintf("10.2.0.%d", w.players.next), nil
	status := pod.Status
	w.fleet.Start(address(pod), fleettest.Pod{Frozen: true})
	if err := errors.Join(w.Create(w.Context(), p), w.Create(w.Context(), pod)); err != nil {
		w.Fatal(err)
	}
	pod.Status = status
	if err := w.Status().Update(w.Context(), pod); err != nil {
		w.Fatal(err)
	}
}
