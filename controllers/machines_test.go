package controllers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// sharing counts the experts all of whose owners run on one machine.
func (w *world) sharing(p *placement.Placement) (n int) {
	w.Helper()
	machine := map[string]string{}
	for _, node := range p.Nodes {
		machine[node.Name] = get(w, &corev1.Pod{}, node.Name).Spec.NodeName
	}
	for l := range p.Layers {
		for e := range p.Experts {
			on := map[string]bool{}
			for _, node := range p.Nodes {
				if slices.Contains(node.Experts[l], e) {
					on[machine[node.Name]] = true
				}
			}
			if len(on) < 2 {
				n++
			}
		}
	}
	return n
}

// TestMachines: with two replicas every expert is on both machines from the start.
// When pods come back on other machines, copies that share one then part, out of the
// budget, while the deployment stays Ready, and then all is quiet.
func TestMachines(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	machines := map[string]string{"demo-experts-0": "a", "demo-experts-1": "b", "demo-experts-2": "a", "demo-experts-3": "b"}
	w.players.machine = func(pod string) string { return machines[pod] }
	w.create("demo", model+"expertNodes: 4\nexperts: {replicasPerExpert: 2, restoreAfterSeconds: 2, rebalancing: {mode: \"Off\"}}")
	w.untilReady()
	first := w.document()
	if n := w.sharing(first.Serving); n != 0 || first.Serving.Epoch != 1 {
		t.Fatalf("%d experts share a machine in the placement of epoch %d, want none in the first", n, first.Serving.Epoch)
	}
	machines["demo-experts-1"], machines["demo-experts-2"] = "a", "b"
	for _, name := range []string{"demo-experts-1", "demo-experts-2"} {
		w.players.remove(get(w, &corev1.Pod{}, name))
		w.untilReady()
	}
	crowded := w.sharing(w.document().Serving)
	if crowded == 0 {
		t.Fatal("no expert shares a machine: the test shows nothing")
	}
	w.until(func() string {
		d := w.document()
		if n := w.sharing(d.Serving); n > 0 || d.Target != nil {
			return fmt.Sprintf("%d experts share a machine", n)
		}
		return ""
	})
	w.untilReady()
	after := w.document()
	moves := len(placement.Diff(first.Serving, after.Serving, 0))
	if s := w.pool().Status.Rebalancing; s == nil || int(s.Experts) != moves || moves == 0 || moves >= 2*crowded {
		t.Errorf("status.rebalancing %+v; %d moves for %d experts", s, moves, crowded)
	}
	time.Sleep(5 * time.Second) // two looks and more than restoreAfterSeconds
	if now := w.document().Revision; now != after.Revision {
		t.Errorf("revision %d became %d with nothing to do", after.Revision, now)
	}
}
