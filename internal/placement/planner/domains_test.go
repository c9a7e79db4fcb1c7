package planner

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// onMachines deals the nodes round robin to so many machines.
func onMachines(list []placement.Node, machines int) map[string]string {
	out := map[string]string{}
	for i, n := range list {
		out[n.Name] = fmt.Sprint("machine-", i%machines)
	}
	return out
}

// crowded counts by itself, by names, what Crowded does: experts in fewer domains than
// want.
func crowded(p *placement.Placement, domains map[string]string, want int) (n int) {
	for l := range p.Layers {
		for e := range p.Experts {
			in := map[string]bool{}
			for _, node := range p.Nodes {
				if !slices.Contains(node.Experts[l], e) {
					continue
				}
				name := node.Name
				if d := domains[name]; d != "" {
					name = "domain " + d
				}
				in[name] = true
			}
			n += b2i(len(in) < want)
		}
	}
	return n
}

// roomApart says whether domains have room for each expert in want of them, and what
// want is: a domain takes each expert once, so in all no more than the experts there
// are, nor more than its nodes have room for.
func roomApart(r Request) (fits bool, want int) {
	room, size := r.slots(r.Current), map[string]int{}
	for i, n := range r.Nodes {
		name := n.Name
		if d := r.Domains[name]; d != "" {
			name = "domain " + d
		}
		if !r.limited() {
			room[i] = r.Experts
		}
		size[name] += room[i]
	}
	places := 0
	for name, n := range size {
		if n == 0 {
			delete(size, name)
		}
		places += min(n, r.Experts)
	}
	want = min(r.Replicas, len(size))
	return places >= want*r.Experts, want
}

// checkApart plans, and checks the promises of Plan and that copies are apart.
func checkApart(t testing.TB, r Request) *placement.Placement {
	t.Helper()
	p := mustPlan(t, r)
	checkRoom(t, r, p)
	fits, want := roomApart(r)
	got := crowded(p, r.Domains, want)
	if n := r.Crowded(p); n != got {
		t.Fatalf("Crowded counts %d experts, there are %d", n, got)
	}
	if fits && got > 0 && r.MaxMoves == 0 {
		t.Fatalf("%d experts are in fewer than %d domains although there is room: %+v", got, want, r)
	}
	return p
}

// checkRoom is checkPlan, where domains may ask for more room on some nodes than on others.
func checkRoom(t testing.TB, r Request, p *placement.Placement) {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if !r.Satisfied(p) {
		t.Fatalf("the plan is not as requested: %+v", r)
	}
}

// TestDistinctDomains: domains that ask for nothing change nothing.
func TestDistinctDomains(t *testing.T) {
	rnd := rand.New(rand.NewPCG(51, 52))
	for k := range 400 {
		r := randomRequest(rnd)
		if k%2 == 0 {
			r = shifted(rnd, k)
		}
		want := mustPlan(t, r)
		for name, domains := range map[string]map[string]string{
			"distinct": onMachines(r.Nodes, len(r.Nodes)), "one": onMachines(r.Nodes, 1), "unknown": {r.Nodes[0].Name: ""},
			"strangers": {"a": "x", "b": "x"},
		} {
			r.Domains = domains
			if got := mustPlan(t, r); !reflect.DeepEqual(got, want) || r.Crowded(got) != 0 {
				t.Fatalf("case %d: another plan with %s domains", k, name)
			}
		}
	}
}

// inDomains is a request with nodes on a few machines, of some of which nothing is
// known; from nothing, or from a placement for other loads, nodes and machines.
func inDomains(rnd *rand.Rand) Request {
	n := 2 + rnd.IntN(9)
	r := Request{Layers: 1 + rnd.IntN(2), Experts: 1 + rnd.IntN(40), Nodes: nodes(n), Replicas: 1 + rnd.IntN(min(n, 4))}
	r.Domains = drawnDomains(rnd, r.Nodes)
	if rnd.IntN(2) == 0 {
		r.Loads = oddLoads(rnd, r.Layers, r.Experts)
	}
	if limit := rnd.IntN(3); limit == 0 {
		r.SlotsPerNode = ceilDiv(r.Experts*r.Replicas, n) + rnd.IntN(4)
	} else if limit == 1 && r.Loads != nil {
		r.Slots = r.Experts*r.Replicas + rnd.IntN(r.Experts)
	}
	if rnd.IntN(3) == 0 {
		return r
	}
	was := r
	was.Domains = drawnDomains(rnd, r.Nodes)
	if rnd.IntN(2) == 0 {
		was.Nodes = nodes(12)[rnd.IntN(3):][:3+rnd.IntN(7)]
		was.Replicas, was.Slots, was.SlotsPerNode = 1+rnd.IntN(3), 0, 0
	}
	was.Loads = [][][]float64{nil, oddLoads(rnd, r.Layers, r.Experts)}[rnd.IntN(2)]
	r.Current, _ = Plan(was)
	return r
}

func drawnDomains(rnd *rand.Rand, list []placement.Node) map[string]string {
	out, machines := map[string]string{}, 2+rnd.IntN(4)
	for _, n := range list {
		out[n.Name] = []string{"", fmt.Sprint(rnd.IntN(machines))}[min(1, rnd.IntN(8))]
	}
	return out
}

// TestApart: wherever there is room, copies are in as many domains as they should, and
// a plan from its own result moves nothing.
func TestApart(t *testing.T) {
	rnd := rand.New(rand.NewPCG(53, 54))
	for range 600 {
		r := inDomains(rnd)
		p := checkApart(t, r)
		if !reflect.DeepEqual(p, mustPlan(t, r)) {
			t.Fatal("the same request gave two placements")
		}
		r.Current = p
		again := checkApart(t, r)
		if n := len(placement.Diff(p, again, 1)); n != 0 {
			t.Fatalf("a plan from its own result moves %d experts: %+v", n, r)
		}
	}
}

// TestPartWithinMoves: copies part no faster than MaxMoves allows, and before
// anything moves for balance's sake; in the end all are apart and nothing moves.
func TestPartWithinMoves(t *testing.T) {
	const machines, most = 4, 4
	r := Request{Layers: 4, Experts: 64, Nodes: nodes(8), Replicas: 2, SlotsPerNode: 18,
		Loads: randomLoads(rand.New(rand.NewPCG(55, 56)), 4, 64), MinGain: 1e9}
	r.Current = mustPlan(t, r)
	r.Domains, r.MaxMoves = onMachines(r.Nodes, machines), most
	before := r.Crowded(r.Current)
	if before < 2*most {
		t.Fatalf("%d experts to part are too few for this test", before)
	}
	all := 0
	for before > 0 {
		p := mustPlan(t, r)
		loads, after := len(placement.Diff(r.Current, p, 1)), r.Crowded(p)
		if loads > most || after >= before {
			t.Fatalf("%d loads, of at most %d; %d experts crowded, before %d", loads, most, after, before)
		}
		all, before, r.Current = all+loads, after, p
	}
	if loads := len(placement.Diff(r.Current, mustPlan(t, r), 1)); loads > 0 {
		t.Errorf("%d loads when all are apart", loads)
	}
	t.Logf("%d loads", all)
}

// TestUnevenMachines: of three nodes two share a machine. Without a limit of slots the
// third holds every expert; with one, as many as it can.
func TestUnevenMachines(t *testing.T) {
	for _, loads := range [][][]float64{nil, randomLoads(rand.New(rand.NewPCG(57, 58)), 1, 64)} {
		r := Request{Layers: 1, Experts: 64, Nodes: nodes(3), Replicas: 2, Domains: onMachines(nodes(3), 2), Loads: loads}
		if p := checkApart(t, r); len(p.Nodes[1].Experts[0]) != 64 {
			t.Errorf("the node with a machine of its own holds %d experts, want all", len(p.Nodes[1].Experts[0]))
		}
		r.SlotsPerNode = 50
		if n := r.Crowded(checkApart(t, r)); n != 14 {
			t.Errorf("%d experts share a machine, want those 14 for which the other has no room", n)
		}
	}
}

// TestPartingIsCheap: on four machines with two nodes each, with no slot to spare, it
// takes fewer than two loads to part an expert's copies: one that is crowded goes to and fro.
func TestPartingIsCheap(t *testing.T) {
	r := Request{Layers: 16, Experts: 64, Nodes: nodes(8), Replicas: 2}
	r.Current = mustPlan(t, r)
	r.Domains = onMachines(r.Nodes, 4)
	n, loads := r.Crowded(r.Current), len(placement.Diff(r.Current, checkApart(t, r), 1))
	t.Logf("%d experts, %d loads", n, loads)
	if n == 0 || loads >= 2*n {
		t.Errorf("%d loads for %d experts", loads, n)
	}
}

// TestApartAndBalanced: with 8 nodes on 4 machines and two copies of each, real loads
// balance as well as without machines.
func TestApartAndBalanced(t *testing.T) {
	samples := realSamples(t)
	for _, slots := range []int{128, 136, 144} {
		least, mean, freeLeast, freeMean := 1.0, 0.0, 1.0, 0.0
		for _, s := range samples {
			r := oneLayer(s.loads, 8, slots)
			r.Replicas = 2
			without := mustPlan(t, r).Balancedness(r.Loads)[0]
			r.Domains = onMachines(r.Nodes, 4)
			with := checkApart(t, r).Balancedness(r.Loads)[0]
			least = min(least, with)
			mean += with / float64(len(samples))
			freeLeast, freeMean = min(freeLeast, without), freeMean+without/float64(len(samples))
			if bound := r.Bounds()[0]; with < 0.99 && with < 0.995*bound && with < 0.995*without {
				t.Errorf("%s, %d slots: balancedness %.4f, without machines %.4f, bound %.4f", s.name, slots, with, without, bound)
			}
		}
		t.Logf("%d slots: least %.5f, mean %.5f; without machines %.5f, %.5f; %d cases", slots, least, mean, freeLeast, freeMean, len(samples))
	}
}

// TestLevelOfDomains: sets of a layer trade nodes within the rule.
func TestLevelOfDomains(t *testing.T) {
	r := Request{Layers: 16, Experts: 64, Nodes: nodes(64), Replicas: 2, SlotsPerNode: 2,
		Loads: randomLoads(rand.New(rand.NewPCG(59, 60)), 16, 64), Domains: onMachines(nodes(64), 32)}
	p := checkApart(t, r)
	r.Domains = nil
	free := mustPlan(t, r)
	got, want := spreadOver(r.Loads, p), spreadOver(r.Loads, free)
	t.Logf("busiest node over all layers %.3f of the mean, without machines %.3f", got, want)
	if got > 1.1*want {
		t.Errorf("the busiest node over all layers has %.3f of the mean, without machines %.3f", got, want)
	}
}

// FuzzDomains feeds odd machines, limits and damaged current placements.
func FuzzDomains(f *testing.F) {
	f.Add(uint8(2), uint8(20), uint8(8), uint8(2), uint8(4), uint8(0), []byte{1, 2, 3, 200, 1, 2, 3, 0}, []byte{3, 1, 4, 1, 5, 9, 2, 6})
	f.Add(uint8(1), uint8(64), uint8(3), uint8(2), uint8(0), uint8(3), []byte{1, 1, 2}, []byte{255, 255, 255, 127, 0, 0, 0, 0, 1, 1})
	f.Fuzz(func(t *testing.T, layers, experts, n, replicas, slots, maxMoves uint8, machines, raw []byte) {
		r := Request{Layers: int(layers % 4), Experts: int(experts % 70), Nodes: nodes(int(n % 12)), Replicas: int(replicas % 5),
			SlotsPerNode: int(slots), MaxMoves: int(maxMoves), Domains: map[string]string{}}
		for i, b := range machines {
			r.Domains[fmt.Sprint("n-", i)] = []string{"", fmt.Sprint(b % 6)}[min(1, b)]
		}
		r.Current = damaged(r, raw)
		for _, loads := range [][][]float64{nil, rawLoads(r, raw)} {
			r.Loads = loads
			if _, err := Plan(r); err != nil {
				return
			}
			again := r
			again.Current = checkApart(t, r)
			again.MaxMoves, again.MinGain = 0, 1e9 // but for what has to be
			p := checkApart(t, again)
			if n := len(placement.Diff(again.Current, p, 1)); n > 0 && r.MaxMoves == 0 {
				t.Fatalf("a plan from its own result has to load %d experts", n)
			}
		}
	})
}
