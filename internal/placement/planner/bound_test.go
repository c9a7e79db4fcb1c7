package planner

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestBoundHolds compares the bound, and the plan, with the best of all placements
// of small cases. Small whole loads make many sizes exact fractions of a node.
func TestBoundHolds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var tight, optimal, cases int
	for range 600 {
		experts, n := 2+rnd.IntN(5), 1+rnd.IntN(3)
		replicas := 1 + rnd.IntN(min(n, 2))
		loads := randomLoads(rnd, 1, experts)[0]
		if rnd.IntN(2) == 0 {
			for e := range loads {
				loads[e] = float64(rnd.IntN(7))
			}
		}
		slots := experts*replicas + rnd.IntN(3)
		r := oneLayer(loads, n, slots)
		r.Replicas = replicas
		got, best, bound := mustPlan(t, r).Balancedness(r.Loads)[0], bestOfAll(loads, replicas, n, slots), r.Bounds()[0]
		if best > bound*(1+1e-12) || got > best*(1+1e-12) {
			t.Fatalf("loads %v x%d, %d nodes, %d slots: plan %v, best of all %v, bound %v", loads, replicas, n, slots, got, best, bound)
		}
		cases++
		if best > bound*0.995 {
			tight++
		}
		if got > best*0.999 {
			optimal++
		}
	}
	t.Logf("of %d cases the bound is tight in %d, the plan best in %d", cases, tight, optimal)
	if tight < cases*7/10 || optimal < cases*97/100 {
		t.Errorf("of %d cases the bound is tight in %d only, or the plan best in %d only", cases, tight, optimal)
	}
}

// bestOfAll tries every way to put each expert on a set of at least so many nodes
// that have as much room as Bound grants them.
func bestOfAll(loads []float64, replicas, n, slots int) float64 {
	if total(loads) == 0 {
		return 1
	}
	best := math.Inf(1)
	node, held := make([]float64, n), make([]int, n)
	var try func(e, used int)
	try = func(e, used int) {
		if used+(len(loads)-e)*replicas > slots {
			return
		}
		if e == len(loads) {
			worst := 0.0
			for i, w := range node {
				worst = max(worst, w)
				if held[i] > ceilDiv(slots, n) {
					return
				}
			}
			best = min(best, worst)
			return
		}
		for set := 1; set < 1<<n; set++ {
			c := 0
			for i := range n {
				c += set >> i & 1
			}
			if c < replicas {
				continue
			}
			was := append([]float64(nil), node...)
			for i := range n {
				node[i] += float64(set>>i&1) * loads[e] / float64(c)
				held[i] += set >> i & 1
			}
			try(e+1, used+c)
			copy(node, was)
			for i := range n {
				held[i] -= set >> i & 1
			}
		}
	}
	try(0, 0)
	return total(loads) / float64(n) / best
}

// TestBoundKnows are cases whose best placement is known.
func TestBoundKnows(t *testing.T) {
	cases := []struct {
		name         string
		loads        []float64
		nodes, slots int
		want         float64
	}{
		{"nothing", []float64{0, 0}, 2, 2, 1},
		{"a hot expert without a spare slot", []float64{4, 1, 1, 2}, 2, 4, 0.8 /* {4 1} {1 2} */},
		{"a hot expert with one", []float64{8, 2, 2}, 4, 4, 0.75 /* 4 a copy, 3 in the mean */},
		{"three halves and a bit on two nodes", []float64{5.1, 5.1, 5.1}, 2, 3, 0.75 /* two share a node */},
		{"three halves and a bit, and a spare slot", []float64{6, 6, 6}, 2, 4, 1 /* 6 + 3 on each */},
		{"heavy ones take whole nodes", []float64{10, 10, 4, 4, 4, 4}, 4, 6, 0.9},
		{"two slots a node: the heaviest needs a partner", []float64{9, 4, 4, 3}, 2, 4, 10. / 12 /* {9 3} {4 4} */},
	}
	for _, c := range cases {
		if got := bound(c.loads, 1, c.nodes, c.slots); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%s: bound %v, want %v", c.name, got, c.want)
		}
	}
}

// TestMeasures: whatever fits on a node measures at most 1.
func TestMeasures(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		perNode := 1 + rnd.IntN(12)
		p := &packing{cost: []float64{rnd.Float64(), rnd.Float64() / 3, rnd.Float64() / 8, 0.25, 0.5}, replicas: 1, nodes: 4, slots: 4 * perNode}
		sizes, left := make([]float64, perNode), 1.0
		for i := range sizes {
			sizes[i] = left * rnd.Float64()
			if rnd.IntN(3) == 0 {
				sizes[i] = min(left, math.Floor(rnd.Float64()*24)/24)
			}
			left -= sizes[i]
		}
		for k, f := range p.measures(1) {
			var s float64
			for _, x := range sizes {
				s += f(x * (1 - rounding))
			}
			if s > 1+1e-9 {
				t.Fatalf("measure %d: sizes %v measure %v", k, sizes, s)
			}
		}
	}
}
