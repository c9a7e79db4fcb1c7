package placement

import (
	"math"
	"math/rand/v2"
	"testing"
)

// eplb is the example that DeepSeek's EPLB publishes: 12 experts, 16 slots, 8 nodes.
var eplb = [][]float64{
	{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86},
	{20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27},
}

// TestAtLeastEPLB: EPLB's own policy reaches 0.8277 and 0.8050 here.
func TestAtLeastEPLB(t *testing.T) {
	r := Request{Layers: 2, Experts: 12, Nodes: nodes(8), Replicas: 1, Slots: 16, Loads: eplb}
	p := mustPlan(t, r)
	checkPlan(t, r, p)
	for l, want := range []float64{0.8277, 0.8050} {
		got, bound := p.Balancedness(eplb)[l], Bound(eplb[l], 8, 16)
		t.Logf("layer %d: balancedness %.4f, bound %.4f", l, got, bound)
		if got < want || got > bound+1e-12 {
			t.Errorf("layer %d: balancedness %.4f, want at least %.4f and at most the bound %.4f", l, got, want, bound)
		}
	}
}

// TestBoundHolds compares the bound with the best of all placements of small cases.
func TestBoundHolds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		experts, n := 2+rnd.IntN(5), 1+rnd.IntN(3)
		loads := randomLoads(rnd, 1, experts)[0]
		slots := experts + rnd.IntN(3)
		best := bestOfAll(loads, n, slots)
		if bound := Bound(loads, n, slots); best > bound+1e-9 {
			t.Fatalf("loads %v, %d nodes, %d slots: balancedness %v exceeds the bound %v", loads, n, slots, best, bound)
		}
	}
}

// bestOfAll tries every way to put each expert on a non-empty set of nodes.
func bestOfAll(loads []float64, n, slots int) float64 {
	var total float64
	for _, w := range loads {
		total += w
	}
	if total == 0 {
		return 1
	}
	best := math.Inf(1)
	node := make([]float64, n)
	var try func(e, used int)
	try = func(e, used int) {
		if used+len(loads)-e > slots {
			return
		}
		if e == len(loads) {
			worst := 0.0
			for _, w := range node {
				worst = max(worst, w)
			}
			best = min(best, worst)
			return
		}
		for set := 1; set < 1<<n; set++ {
			c := 0
			for i := range n {
				c += set >> i & 1
			}
			for sign := 1.0; sign >= -1; sign -= 2 {
				for i := range n {
					node[i] += sign * float64(set>>i&1) * loads[e] / float64(c)
				}
				if sign > 0 {
					try(e+1, used+c)
				}
			}
		}
	}
	try(0, 0)
	return total / float64(n) / best
}

func TestHotExpertsGetTheSpareSlots(t *testing.T) {
	loads := make([]float64, 8)
	for e := range loads {
		loads[e] = 10
	}
	loads[3] = 100
	want := spread(loads, 1, 4, 11)
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
	if b := Bound([]float64{0, 0}, 2, 2); b != 1 {
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
		if bound := Bound(loads[l], 7, 72); b < 0.95*bound {
			t.Errorf("layer %d: %v, bound %v", l, b, bound)
		}
	}
}

func BenchmarkPlan64Nodes(b *testing.B) {
	loads := randomLoads(rand.New(rand.NewPCG(7, 8)), 16, 64)
	r := Request{Layers: 16, Experts: 64, Nodes: nodes(64), Replicas: 1, SlotsPerNode: 2, Loads: loads}
	for b.Loop() {
		if _, err := Plan(r); err != nil {
			b.Fatal(err)
		}
	}
}
