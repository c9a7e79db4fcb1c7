package planner

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// TestFromCurrent: from any placement, whatever the loads, the promises hold.
func TestFromCurrent(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for k := range 600 {
		checkFromCurrent(t, shifted(rnd, k))
		if t.Failed() {
			t.Fatalf("case %d", k)
		}
	}
}

// shifted is a request whose current placement was made for other loads and maybe
// other nodes, room and replicas.
func shifted(rnd *rand.Rand, k int) Request {
	n := 1 + rnd.IntN(10)
	r := Request{Layers: 1 + rnd.IntN(3), Experts: 1 + rnd.IntN(40), Nodes: nodes(n), Replicas: 1 + rnd.IntN(min(n, 3))}
	r.Slots = r.Experts*r.Replicas + rnd.IntN(r.Experts+4)
	was := r
	if k%3 == 0 {
		was.Nodes = nodes(12)[rnd.IntN(3):][:3+rnd.IntN(7)]
		was.Replicas = 1 + rnd.IntN(3)
		was.Slots = r.Experts*was.Replicas + rnd.IntN(2*r.Experts)
	}
	was.Loads = oddLoads(rnd, r.Layers, r.Experts)
	r.Current, _ = Plan(was)
	r.Loads = oddLoads(rnd, r.Layers, r.Experts)
	if rnd.IntN(2) == 0 {
		r.MinGain = []float64{1e-3, 0.01, 0.1, 10}[rnd.IntN(4)]
	}
	if rnd.IntN(2) == 0 {
		r.MaxMoves = 1 + rnd.IntN(12)
	}
	return r
}

// oddLoads are of one sort: as drawn, equal, none at all, one hot, huge, tiny, mostly 0, the
// least there are, some -0.
func oddLoads(rnd *rand.Rand, layers, experts int) [][]float64 {
	loads, sort := randomLoads(rnd, layers, experts), rnd.IntN(11)
	for _, row := range loads {
		hot := rnd.IntN(experts)
		for e := range row {
			switch sort {
			case 0:
				row[e] = 7
			case 1:
				row[e] = 0
			case 2:
				row[e] = []float64{1, 1e6}[b2i(e == hot)]
			case 3:
				row[e] = maxLoad * rnd.Float64()
			case 4:
				row[e] *= 1e-300
			case 5:
				row[e] *= float64(rnd.IntN(4) / 3)
			case 6:
				row[e] = math.SmallestNonzeroFloat64 * float64(rnd.IntN(3))
			case 7:
				row[e] = math.Copysign(row[e]*float64(rnd.IntN(2)), -1)
				if row[e] != 0 {
					row[e] = -row[e]
				}
			}
		}
	}
	return loads
}

func checkFromCurrent(t *testing.T, r Request) {
	t.Helper()
	p := mustPlan(t, r)
	checkPlan(t, r, p)
	if !reflect.DeepEqual(p, mustPlan(t, r)) {
		t.Error("the same request gave two placements")
	}
	must := r
	must.MinGain, must.MaxMoves = 1e9, 0
	base := mustPlan(t, must) // only what has to change, and what costs no load
	more := len(placement.Diff(r.Current, p, 1)) - len(placement.Diff(r.Current, base, 1))
	if r.MaxMoves > 0 && more > r.MaxMoves {
		t.Errorf("%d optional loads, the limit is %d", more, r.MaxMoves)
	}
	if r.Current == nil || r.Current.Validate() != nil || !r.Satisfied(r.Current) {
		return
	}
	if n := len(placement.Diff(r.Current, base, 1)); n > 0 {
		t.Errorf("%d loads from a placement that is fine, and nothing gained is enough", n)
	}
	loads := perLayer(placement.Diff(r.Current, p, 1), r.Layers)
	for l, g := range gains(r.Current, p, r.Loads) {
		if g < -1e-9 {
			t.Errorf("layer %d: the busiest node got busier by %g of the mean", l, -g)
		}
		if g*(1+1e-9)+1e-12 < r.MinGain*float64(loads[l]) {
			t.Errorf("layer %d: %d loads for a gain of %g, each has to gain %g", l, loads[l], g, r.MinGain)
		}
	}
}

// gains says, for each layer, by how much going from one placement to another
// lowers the load of the busiest node, as a fraction of the mean node load of the
// second: what Request.MinGain is compared with. 0 in a layer without load.
func gains(from, to *placement.Placement, loads [][]float64) []float64 {
	before, after := from.BusiestLoads(loads), to.BusiestLoads(loads)
	out := make([]float64, to.Layers)
	for l := range out {
		if mean := total(loads[l]) / float64(len(to.Nodes)); mean > leastLoad {
			out[l] = (before[l] - after[l]) / mean
		}
	}
	return out
}

func perLayer(moves []placement.Move, layers int) []int {
	n := make([]int, layers)
	for _, m := range moves {
		n[m.Layer]++
	}
	return n
}

// TestSettled: a plan from the placement that was made for the same loads moves
// nothing, also for big pools, where the search has little time.
func TestSettled(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	for _, c := range [][2]int{{8, 64}, {8, 72}, {16, 80}, {64, 64}, {64, 128}, {64, 72}, {200, 400}} {
		r := Request{Layers: 4, Experts: 64, Nodes: nodes(c[0]), Replicas: 1, Slots: c[1], Loads: randomLoads(rnd, 4, 64)}
		p := mustPlan(t, r)
		r.Current = p
		if moves := placement.Diff(p, mustPlan(t, r), 1); len(moves) > 0 {
			t.Errorf("%d nodes, %d slots: %d moves", c[0], c[1], len(moves))
		}
	}
}

// TestOrderOfNodes: the order in which the current placement lists its nodes does
// not matter.
func TestOrderOfNodes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 16))
	for k := range 100 {
		r := shifted(rnd, k)
		want := mustPlan(t, r)
		if r.Current != nil {
			turned := *r.Current
			turned.Nodes = slices.Clone(turned.Nodes)
			slices.Reverse(turned.Nodes)
			r.Current = &turned
		}
		if !reflect.DeepEqual(want, mustPlan(t, r)) {
			t.Fatalf("case %d: another placement", k)
		}
	}
}

// TestShiftOfText: traffic changes from one kind of text to another. Few experts
// move, and the balance comes back.
func TestShiftOfText(t *testing.T) {
	samples := realSamples(t)
	var loads, fresh, least, kept float64
	n := 0
	least = 1
	for i, a := range samples {
		b := samples[(i+3)%len(samples)] // the same layer, the next kind
		was := mustPlan(t, oneLayer(a.loads, 8, 72))
		r := oneLayer(b.loads, 8, 72)
		anew := mustPlan(t, r)
		r.Current, r.MinGain = was, 0.002
		is := mustPlan(t, r)
		checkPlan(t, r, is)
		before, after, best := was.Balancedness(r.Loads)[0], is.Balancedness(r.Loads)[0], anew.Balancedness(r.Loads)[0]
		moves, all := len(placement.Diff(was, is, 1)), len(placement.Diff(was, anew, 1))
		t.Logf("%s -> %s: %.3f -> %.4f with %d loads (anew: %.4f with %d)", a.name, b.name, before, after, moves, best, all)
		least, n = min(least, after), n+1
		loads, fresh, kept = loads+float64(moves), fresh+float64(all), kept+after
	}
	t.Logf("%d shifts: %.1f loads each (anew: %.1f), balancedness %.4f in the mean, %.4f at least", n, loads/float64(n), fresh/float64(n), kept/float64(n), least)
	if least < 0.95 || loads > 0.5*fresh {
		t.Errorf("balancedness %.4f, %g loads; want at least 0.95 and at most half of the %g that planning anew takes", least, loads, fresh)
	}
}

// TestBudgetGoesWhereItPays: of two layers out of balance the worse is mended first.
func TestBudgetGoesWhereItPays(t *testing.T) {
	r := Request{Layers: 2, Experts: 4, Nodes: nodes(2), Replicas: 1, Slots: 4,
		Loads: [][]float64{{5, 4, 4, 3}, {9, 9, 1, 1}}, MaxMoves: 2}
	r.Current = &placement.Placement{Layers: 2, Experts: 4, Nodes: nodes(2)}
	for i := range 2 {
		r.Current.Nodes[i].Experts = [][]int{{2 * i, 2*i + 1}, {2 * i, 2*i + 1}}
	}
	p := mustPlan(t, r)
	if got := perLayer(placement.Diff(r.Current, p, 1), 2); got[0] != 0 || got[1] != 2 {
		t.Errorf("loads per layer %v, want 0 and 2", got)
	}
	if g := gains(r.Current, p, r.Loads); math.Abs(g[1]-0.8) > 1e-12 || g[0] != 0 {
		t.Errorf("gains %v, want 0 and (18-10)/10", g)
	}
}

// TestACopyChangesHands: a spare slot goes from an expert that was hot to one that
// is hot now, for one load.
func TestACopyChangesHands(t *testing.T) {
	was := oneLayer([]float64{30, 10, 5, 5, 5, 5}, 3, 9)
	r := oneLayer([]float64{5, 10, 30, 5, 5, 5}, 3, 9)
	r.Current = mustPlan(t, was)
	p := mustPlan(t, r)
	checkPlan(t, r, p)
	before, after := r.Current.Copies(0), p.Copies(0)
	if before[0] < 2 || before[2] != 1 || after[2] < 2 {
		t.Errorf("copies %v, then %v: want the spare ones on expert 0, then on expert 2", before, after)
	}
	if b := p.Balancedness(r.Loads)[0]; b < 0.9 {
		t.Errorf("balancedness %v", b)
	}
}
