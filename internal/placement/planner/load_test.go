package planner

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestHotExpertsGetTheSpareSlots(t *testing.T) {
	loads := make([]float64, 8)
	for e := range loads {
		loads[e] = 10
	}
	loads[3] = 100
	s := newSpread(len(loads))
	s.over(loads, 1, 4, 11)
	want := s.want
	if want[3] != 4 || sum(want) != 11 {
		t.Errorf("copies %v: want 4 (one a node) of expert 3 and 11 in all", want)
	}
}

func TestBalancednessOfNothing(t *testing.T) {
	p := mustPlan(t, Request{Layers: 1, Experts: 4, Nodes: nodes(2), Replicas: 1})
	if b := p.Balancedness([][]float64{{0, 0, 0, 0}})[0]; b != 1 {
		t.Errorf("no load: %v, want 1", b)
	}
	if b := p.Balancedness([][]float64{{2, 2, 0, 0}})[0]; b != 1 && b != 0.5 {
		t.Errorf("two loaded experts on two nodes: %v", b)
	}
	if b := bound([]float64{0, 0}, 1, 2, 2); b != 1 {
		t.Errorf("bound without load: %v, want 1", b)
	}
}

// TestRepairUnderLoad: when a node goes, what it held is spread by load and the
// rest stays unless moving it pays.
func TestRepairUnderLoad(t *testing.T) {
	loads := randomLoads(rand.New(rand.NewPCG(5, 6)), 2, 64)
	r := Request{Layers: 2, Experts: 64, Nodes: nodes(8), Replicas: 1, Slots: 72, Loads: loads}
	was := mustPlan(t, r)
	r.Nodes, r.Current = nodes(7), was
	is := mustPlan(t, r)
	checkPlan(t, r, is)
	for l, b := range is.Balancedness(loads) {
		if bound := bound(loads[l], 1, 7, 72); b < 0.95*bound {
			t.Errorf("layer %d: %v, bound %v", l, b, bound)
		}
	}
}

// Loads that no window counts but that JSON can hold are 0, or next to it.
func TestLeastLoads(t *testing.T) {
	loads := make([]float64, 64)
	for e := range loads {
		loads[e] = 1
	}
	loads[0], loads[63] = 1000, math.Copysign(0, -1)
	if b := mustPlan(t, oneLayer(loads, 8, 72)).Balancedness([][]float64{loads})[0]; b < 0.99 {
		t.Errorf("with a load of -0: balancedness %v", b)
	}
	for e := range loads {
		loads[e] = 0
	}
	loads[0] = math.SmallestNonzeroFloat64
	r := oneLayer(loads, 8, 136)
	checkPlan(t, r, mustPlan(t, r))
}
