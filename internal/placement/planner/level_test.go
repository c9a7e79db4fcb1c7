package planner

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// spreadOver is the busiest node's load over all layers in parts of the mean node's.
func spreadOver(loads [][]float64, plans ...*placement.Placement) float64 {
	held := make([]float64, len(plans[0].Nodes))
	for k, p := range plans {
		for l := range p.Layers {
			copies := p.Copies(l)
			for i, n := range p.Nodes {
				for _, e := range n.Experts[l] {
					held[i] += loads[k+l][e] / float64(copies[e])
				}
			}
		}
	}
	return slices.Max(held) * float64(len(held)) / total(held)
}

// TestLevel: heavy sets of several layers do not meet on one node, and no layer is
// less balanced for that.
func TestLevel(t *testing.T) {
	for _, c := range []struct {
		nodes, slots int
		most         float64
	}{{4, 64, 1.01}, {8, 64, 1.02}, {16, 64, 1.1}, {16, 70, 1.1}, {32, 64, 1.2}, {256, 256, 1.05}} {
		loads := randomLoads(rand.New(rand.NewPCG(uint64(c.nodes), 4)), 16, 64)
		r := Request{Layers: 16, Experts: 64, Nodes: nodes(c.nodes), Replicas: 1, Slots: c.slots, Loads: loads}
		p := mustPlan(t, r)
		checkPlan(t, r, p)
		var alone []*placement.Placement
		for l := range loads {
			one := oneLayer(loads[l], c.nodes, c.slots)
			alone = append(alone, mustPlan(t, one))
			if got, want := p.Balancedness(loads)[l], alone[l].Balancedness(one.Loads)[0]; got < want-1e-9 {
				t.Errorf("%d nodes: layer %d: balancedness %v, alone %v", c.nodes, l, got, want)
			}
		}
		before, after := spreadOver(loads, alone...), spreadOver(loads, p)
		t.Logf("%d nodes, %d slots: busiest node over all layers %.3f of the mean, layer by layer %.3f", c.nodes, c.slots, after, before)
		if after > c.most || after > before {
			t.Errorf("%d nodes, %d slots: the busiest node has %.3f of the mean, want at most %g and no more than %.3f", c.nodes, c.slots, after, c.most, before)
		}
	}
}

// TestLevelOfEquals: of nodes that would do equally well in a layer, an expert goes
// to the one with less load in the others.
func TestLevelOfEquals(t *testing.T) {
	r := Request{Layers: 2, Experts: 2, Nodes: nodes(3), Replicas: 1, SlotsPerNode: 2,
		Loads: [][]float64{{10, 10}, {10, 1}}, MinGain: 1.4}
	for held, want := range map[int]int{1: 2, 2: 1} { // of the two nodes without load in layer 0
		r.Current = &placement.Placement{Layers: 2, Experts: 2, Nodes: nodes(3)}
		for i := range r.Current.Nodes {
			r.Current.Nodes[i].Experts = [][]int{{}, {}}
		}
		r.Current.Nodes[0].Experts = [][]int{{0, 1}, {1}}
		r.Current.Nodes[held].Experts[1] = []int{0}
		p := mustPlan(t, r)
		moves := placement.Diff(r.Current, p, 1)
		if len(moves) != 1 || moves[0].Layer != 0 || moves[0].To != r.Nodes[want].Name {
			t.Errorf("node %d has load in layer 1: moves %+v, want one of layer 0 to %s", held, moves, r.Nodes[want].Name)
		}
	}
}
