package planner

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// TestCover: whichever nodes are lost, with whatever loads, domains and limits, no more is
// loaded than the experts that no node holds, and each of those once.
func TestCover(t *testing.T) {
	rnd := rand.New(rand.NewPCG(65, 66))
	cases := 0
	for range 600 {
		r := inDomains(rnd)
		if r.Current == nil {
			r.Current = mustPlan(t, r)
		}
		r.Nodes = r.Nodes[rnd.IntN(len(r.Nodes)):]
		r.Slots, r.Replicas, r.Cover = 0, min(r.Replicas, len(r.Nodes)), true
		r.SlotsPerNode *= 2
		if r.Check() != nil {
			continue
		}
		p, must := mustPlan(t, r), 0
		for l := range r.Layers {
			before := make([]int, r.Experts)
			each(r.nodesOf(r.Current), l, r.Experts, func(_, e int) { before[e]++ })
			for _, n := range before {
				must += b2i(n == 0)
			}
		}
		if r.limited() && slices.ContainsFunc(r.Current.Nodes, func(n placement.Node) bool {
			return slices.ContainsFunc(n.Experts, func(held []int) bool { return len(held) > r.SlotsPerNode })
		}) {
			continue // nodes have to give experts up
		}
		if loads := len(placement.Diff(r.Current, p, 1)); loads != must {
			t.Fatalf("%d loads, %d have no owner: %+v", loads, must, r)
		}
		if err := p.Validate(); err != nil || !reflect.DeepEqual(p, mustPlan(t, r)) {
			t.Fatalf("%v, or the same request gave two placements: %+v", err, r)
		}
		cases += b2i(must > 0)
	}
	if cases < 100 {
		t.Errorf("%d cases are too few for this test", cases)
	}
}

// Without loads the loads of all layers are shared by the nodes that are left.
func TestCoverIsShared(t *testing.T) {
	r := Request{Layers: 16, Experts: 64, Nodes: nodes(8), Replicas: 1}
	r.Current = mustPlan(t, r)
	r.Nodes, r.Cover = r.Nodes[:7], true
	on := map[string]int{}
	for _, m := range placement.Diff(r.Current, mustPlan(t, r), 1) {
		on[m.To]++
	}
	for name, n := range on {
		if n < 16*8/7-1 || n > 16*8/7+2 {
			t.Errorf("%s loads %d of %d experts", name, n, 16*8)
		}
	}
}
