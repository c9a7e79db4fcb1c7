package controllers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// busy is a node's load: rows for each expert, and a part of its time spent computing.
func busy(utilization float64, rows func(layer, expert int) uint64) *load.Node {
	n := &load.Node{Seconds: 60, ExpertsPerToken: 8, Counts: *load.NewCounts(16, 64), ExpertBytes: 1 << 20}
	for l := range 16 {
		for e := range 64 {
			n.Rows[l][e] = rows(l, e)
			n.BusyNs[l][e] = uint64(utilization * 60e9 / 1024)
		}
		n.Requests[l] = 100
	}
	return n
}

// setLoads gives the expert nodes 0, 1, … their loads.
func (w *world) setLoads(nodes ...*load.Node) {
	w.Helper()
	for i, n := range nodes {
		w.fleet.SetLoad(address(get(w, &corev1.Pod{}, fmt.Sprintf("demo-experts-%d", i))), n)
	}
}

func (w *world) balanced(reason string) string {
	c := conditions.Of(w.pool().Status.Conditions, v1alpha1.ConditionBalanced)
	if c.Reason == reason {
		return ""
	}
	return fmt.Sprintf("Balanced is %s, %s: %s", c.Status, c.Reason, c.Message)
}

// hotFirst: the experts of the first node have nine times the load of the others.
func hotFirst(p *placement.Placement) func(l, e int) uint64 {
	return func(l, e int) uint64 {
		if slices.Contains(p.Nodes[0].Experts[l], e) {
			return 900
		}
		return 100
	}
}

func none(int, int) uint64 { return 0 }

// TestRebalance: experts move to where their load wants them, within the budget;
// the deployment stays Ready, and then all is quiet.
func TestRebalance(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2\nexperts: {rebalancing: {windowSeconds: 4}}")
	w.untilReady()
	w.until(func() string { return w.balanced(v1alpha1.ReasonTooFewTokens) })
	before := w.document()
	hot := hotFirst(before.Serving)
	loads := make([][]float64, 16)
	for l := range loads {
		for e := range 64 {
			loads[l] = append(loads[l], float64(hot(l, e)))
		}
	}
	if b := before.Serving.Balancedness(loads)[0]; b > 0.9 {
		t.Fatalf("balancedness %v before: the test shows nothing", b)
	}
	w.setLoads(busy(0.5, hot), busy(0.1, none))
	w.until(func() string {
		if said := w.not(v1alpha1.ConditionReady, "True", v1alpha1.ReasonAsWanted); said != "" {
			t.Fatalf("while experts move by load: %s", said)
		}
		return w.balanced(v1alpha1.ReasonBalanced)
	})
	after := w.document()
	if b := after.Serving.Balancedness(loads); b[0] < 0.99 || b[15] < 0.99 {
		t.Errorf("balancedness %v after rebalancing", b)
	}
	s := w.pool().Status
	moves := len(placement.Diff(before.Serving, after.Serving, 0))
	if s.Rebalancing == nil || int(s.Rebalancing.Experts) < moves || moves == 0 || s.Rebalancing.Bytes != int64(s.Rebalancing.Experts)<<20 {
		t.Errorf("status.rebalancing %+v, and %d experts moved", s.Rebalancing, moves)
	}
	if s.Load == nil || s.Load.BusiestNode.Name != "demo-experts-0" || s.Load.BusiestNode.Utilization != "0.50" {
		t.Errorf("status.load %+v", s.Load)
	}
	w.quietUnderLoad(4 * time.Second)
	if now := w.document().Revision; now != after.Revision {
		t.Errorf("revision %d became %d under the same load", after.Revision, now)
	}
}

// quietUnderLoad: load that stays as it is is written once in a window, and nothing else
// is (invariant 7).
func (w *world) quietUnderLoad(window time.Duration) {
	w.Helper()
	written := func(after time.Time) (at time.Time) {
		w.until(func() string {
			if at = w.pool().Status.Load.Time.Time; at.Before(after) {
				return fmt.Sprintf("the load was told at %s, want it after %s", at, after)
			}
			return ""
		})
		return at
	}
	from := written(written(time.Time{}).Add(window)) // events of what was before are written by then
	before := w.writes.Load()
	to := written(from.Add(2 * window))
	if n := w.writes.Load() - before; n > int64(to.Sub(from)/window) {
		w.Errorf("%d writes in %s, want one in each %s", n, to.Sub(from), window)
	}
}

// TestRebalanceByReads: all experts have as many rows, but those of the first node
// in many small batches, and time goes into reading weights: what the nodes read is
// evened out, which tokens alone would not ask for.
func TestRebalanceByReads(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2\nexperts: {rebalancing: {windowSeconds: 4}}")
	w.untilReady()
	w.until(func() string { return w.balanced(v1alpha1.ReasonTooFewTokens) })
	before := w.document().Serving
	reads := func(l, e int) uint64 {
		if slices.Contains(before.Nodes[0].Experts[l], e) {
			return uint64(100 + 20*l)
		}
		return uint64(20 + 2*l)
	}
	costs := make([][]float64, 16)
	for l := range costs {
		for e := range 64 {
			costs[l] = append(costs[l], float64(reads(l, e)))
		}
	}
	loads := []*load.Node{busy(0, none), busy(0, none)}
	for i, n := range before.Nodes {
		for l, held := range n.Experts {
			for _, e := range held {
				loads[i].Rows[l][e], loads[i].Activations[l][e], loads[i].BusyNs[l][e] = 400, reads(l, e), 10_000*reads(l, e)
			}
		}
	}
	w.setLoads(loads...)
	w.until(func() string { return w.balanced(v1alpha1.ReasonBalanced) })
	after := w.document().Serving
	if b := before.Balancedness(costs)[0]; b > 0.7 {
		t.Fatalf("balancedness %v before: the test shows nothing", b)
	}
	if b := slices.Min(after.Balancedness(costs)); b < 0.95 {
		t.Errorf("balancedness of the reads %v after rebalancing", b)
	}
	w.until(func() string { return w.told("Normal", "PlacementChanged", "reading weights") })
}

// TestRebalanceWithinTheBudget: no more bytes than allowed at once, and the rest
// only after that has been paid off.
func TestRebalanceWithinTheBudget(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorldAt(t, fastClock{time.Now(), 10})
	w.create("demo", model+"expertNodes: 2\nexperts: {rebalancing: {windowSeconds: 4, maxBytesPerMinute: 100Mi}}")
	w.untilReady()
	before := w.document().Serving
	w.setLoads(busy(0.5, hotFirst(w.document().Serving)), busy(0.1, none))
	var first metav1.Time
	w.until(func() string {
		s := w.pool().Status.Rebalancing
		if s == nil {
			return "nothing has moved"
		}
		first = s.Time
		if s.Experts > 100 || s.Bytes > 100<<20 {
			t.Fatalf("%d experts, %d bytes at once with a budget of 100 Mi", s.Experts, s.Bytes)
		}
		return ""
	})
	w.until(func() string { return w.balanced(v1alpha1.ReasonBudgetSpent) })
	w.until(func() string {
		if s := w.pool().Status.Rebalancing; s.Time.After(first.Time) {
			if gap := s.Time.Sub(first.Time); gap < 50*time.Second {
				t.Fatalf("the next moves came after %s", gap)
			}
			return ""
		}
		return "no second round of moves"
	})
	if n := len(placement.Diff(before, w.document().Serving, 0)); n < 100 {
		t.Errorf("%d experts have moved in two rounds", n)
	}
}

func TestRebalancingOff(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2\nexperts: {rebalancing: {mode: 'Off', windowSeconds: 4}}")
	w.untilReady()
	w.setLoads(busy(0.5, hotFirst(w.document().Serving)), busy(0.1, none))
	revision := w.document().Revision
	w.until(func() string { return w.balanced(v1alpha1.ReasonRebalancingOff) })
	time.Sleep(3 * time.Second)
	if now := w.document().Revision; now != revision {
		t.Errorf("revision %d became %d although rebalancing is off", revision, now)
	}
}

// TestTheBalancerSaysWhenItCannotWork: in a condition and an event, naming the node.
func TestTheBalancerSaysWhenItCannotWork(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2\nexperts: {rebalancing: {windowSeconds: 4}}")
	w.untilReady()
	w.setLoads(busy(0.5, hotFirst(w.document().Serving)), busy(0.1, none))
	w.fleet.Edit(address(get(w, &corev1.Pod{}, "demo-experts-1")), func(p *fleettest.Pod) { p.Silent = true })
	w.until(func() string { return w.balanced(v1alpha1.ReasonLoadUnknown) })
	c := conditions.Of(w.pool().Status.Conditions, v1alpha1.ConditionBalanced)
	if c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "demo-experts-1") {
		t.Errorf("%+v does not name the node", c)
	}
	w.until(func() string { return w.told("Warning", v1alpha1.ReasonLoadUnknown, "") })
}

// told looks for an event of the pool that contains a text.
func (w *world) told(kind, reason, text string) string {
	var list corev1.EventList
	if err := w.List(w.Context(), &list); err != nil {
		return err.Error()
	}
	for _, e := range list.Items {
		if e.InvolvedObject.Namespace == w.ns && e.InvolvedObject.Kind == "ExpertPool" && e.Type == kind && e.Reason == reason && strings.Contains(e.Message, text) {
			return ""
		}
	}
	return "no " + kind + " event " + reason
}

// TestAutoscale: a busy pool gets a node, an idle one gives it back, one at a time.
func TestAutoscale(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorldAt(t, fastClock{time.Now(), 60})
	w.create("demo", model+"scaling: {min: 2, max: 3, targetUtilizationPercent: 70}\nexperts: {rebalancing: {windowSeconds: 4}}")
	w.untilReady()
	even := func(int, int) uint64 { return 500 }
	w.setLoads(busy(0.9, even), busy(0.9, even))
	w.until(func() string {
		if n := *w.pool().Spec.Replicas; n != 3 {
			return fmt.Sprintf("%d nodes", n)
		}
		return ""
	})
	w.untilReady()
	s := w.pool().Status.Scaling
	if s == nil || s.From != 2 || s.To != 3 || s.Time == nil {
		t.Errorf("status.scaling %+v", s)
	}
	w.until(func() string { return w.told("Normal", "Scaled", "") })
	w.setLoads(busy(0.1, even), busy(0.1, even), busy(0.1, even))
	w.until(func() string {
		if n := *w.pool().Spec.Replicas; n != 2 {
			return fmt.Sprintf("%d nodes: %+v", n, w.pool().Status.Scaling)
		}
		return ""
	})
	w.untilReady()
	if gap := w.pool().Status.Scaling.Time.Sub(s.Time.Time); gap < 5*time.Minute {
		t.Errorf("the node left after %s", gap)
	}
}

// TestAutoscaleGivesUpWhatCannotRun: a lower maximum takes effect also while a node
// above it waits for a machine.
func TestAutoscaleGivesUpWhatCannotRun(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	nodes := func(want int32) func() string {
		return func() string {
			if p := w.pool(); *p.Spec.Replicas != want {
				return fmt.Sprintf("%d nodes, want %d: %+v", *p.Spec.Replicas, want, p.Status.Scaling)
			}
			return ""
		}
	}
	w.create("demo", model+"scaling: {min: 2, max: 6}\nexperts: {rebalancing: {windowSeconds: 4}}")
	w.untilReady()
	w.players.broken["demo-experts-2"] = unscheduled("0/2 nodes are available: 2 Insufficient memory.")
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {scaling: {min: 3}}")
	w.until(nodes(3))
	w.untilReason(v1alpha1.ReasonUnschedulable)
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {scaling: {min: 2, max: 2}}")
	w.until(nodes(2))
	w.untilReady()
}

// TestAutoscaleMakesRoom: a number of nodes without room for the model grows until it has
// it, without signals: of a new pool, which has no placement yet, and of one that serves.
func TestAutoscaleMakesRoom(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"scaling: {min: 1, max: 8}\nexperts: {slotsPerNode: 20}")
	w.untilReady()
	w.untilPool(4, 1)
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {experts: {slotsPerNode: 10}}")
	w.untilPool(7, 1)
	w.untilReady()
	if said := w.told("Warning", v1alpha1.ReasonNotEnoughSlots, ""); said == "" {
		t.Error("the pool was called stalled while it grew by itself")
	}
}

// TestAutoscaleWithoutSignals: a node that does not tell its load scales nothing.
func TestAutoscaleWithoutSignals(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorldAt(t, fastClock{time.Now(), 60})
	w.create("demo", model+"scaling: {min: 1, max: 3}\nexperts: {rebalancing: {windowSeconds: 4}}")
	w.untilReady()
	nodes := *w.pool().Spec.Replicas
	w.setLoads(busy(0.9, none), busy(0.9, none))
	w.fleet.Edit(address(get(w, &corev1.Pod{}, "demo-experts-1")), func(p *fleettest.Pod) { p.Silent = true })
	w.until(func() string { return w.balanced(v1alpha1.ReasonLoadUnknown) })
	time.Sleep(3 * time.Second) // three minutes of the operator's clock
	if n := *w.pool().Spec.Replicas; n != nodes {
		t.Errorf("%d nodes became %d without signals", nodes, n)
	}
	says := func(node string) func() string {
		return func() string {
			if s := w.pool().Status.Scaling; s == nil || !strings.Contains(s.Message, node) {
				return fmt.Sprintf("status.scaling %+v does not name %s", s, node)
			}
			return ""
		}
	}
	w.until(says("node 1 of 2"))
	w.fleet.Edit(address(get(w, &corev1.Pod{}, "demo-experts-1")), func(p *fleettest.Pod) { p.Silent = false })
	w.fleet.Edit(address(get(w, &corev1.Pod{}, "demo-experts-0")), func(p *fleettest.Pod) { p.Silent = true })
	w.until(says("node 0 of 2"))
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {scaling: null}")
	w.until(func() string {
		if s := w.pool().Status.Scaling; s != nil {
			return fmt.Sprintf("status.scaling %+v without spec.scaling", s)
		}
		return ""
	})
}

// TestRoutersAreToldWhereNodesAre: a replaced expert node's address reaches the
// routers from the operator, each once.
func TestRoutersAreToldWhereNodesAre(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	var routers corev1.PodList
	if err := w.List(t.Context(), &routers, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/component": "router"}); err != nil {
		t.Fatal(err)
	}
	router := address(&routers.Items[0])
	old := get(w, &corev1.Pod{}, "demo-experts-1")
	w.until(func() string {
		if got := w.fleet.Endpoints(router)["demo-experts-1"]; got != address(old) {
			return fmt.Sprintf("the router was told %q, the pod is at %s", got, address(old))
		}
		return ""
	})
	w.players.remove(old)
	w.until(func() string {
		pod := &corev1.Pod{}
		if w.Get(t.Context(), client.ObjectKeyFromObject(old), pod) != nil || pod.Status.PodIP == "" || pod.Status.PodIP == old.Status.PodIP {
			return "no new pod"
		}
		if got := w.fleet.Endpoints(router)["demo-experts-1"]; got != address(pod) {
			return fmt.Sprintf("the router was told %q, the new pod is at %s", got, address(pod))
		}
		return ""
	})
}
