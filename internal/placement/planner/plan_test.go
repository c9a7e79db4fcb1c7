package planner

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

func nodes(n int) []placement.Node {
	out := make([]placement.Node, n)
	for i := range out {
		out[i] = placement.Node{Name: fmt.Sprintf("n-%d", i), Address: fmt.Sprintf("n-%d:7070", i)}
	}
	return out
}

func mustPlan(t testing.TB, r Request) *placement.Placement {
	t.Helper()
	p, err := Plan(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkPlan checks the promises of Plan.
func checkPlan(t testing.TB, r Request, p *placement.Placement) {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	room := r.slots(r.Current)
	for l := range p.Layers {
		for e, c := range p.Copies(l) {
			if c < r.Replicas || r.Loads == nil && c != r.Replicas {
				t.Fatalf("layer %d, expert %d: %d copies, want %d", l, e, c, r.Replicas)
			}
		}
		for i, n := range p.Nodes {
			if (r.SlotsPerNode > 0 || r.Slots > 0 || r.Loads != nil) && len(n.Experts[l]) > room[i] {
				t.Fatalf("layer %d: %s holds %d experts in %d slots", l, n.Name, len(n.Experts[l]), room[i])
			}
		}
	}
}

func TestEven(t *testing.T) {
	cases := []struct{ nodes, replicas, least, most int }{
		{1, 1, 64, 64}, {2, 1, 32, 32}, {3, 1, 21, 22}, {5, 1, 12, 13}, {8, 1, 8, 8},
		{64, 1, 1, 1}, {100, 1, 0, 1}, {2, 2, 64, 64}, {3, 2, 42, 43}, {8, 8, 64, 64}, {5, 4, 51, 52},
	}
	for _, c := range cases {
		r := Request{Layers: 16, Experts: 64, Nodes: nodes(c.nodes), Replicas: c.replicas}
		p := mustPlan(t, r)
		checkPlan(t, r, p)
		total := make([]int, c.nodes)
		for i, n := range p.Nodes {
			for l, held := range n.Experts {
				total[i] += len(held)
				if len(held) < c.least || len(held) > c.most {
					t.Errorf("%d nodes: layer %d: %d experts on a node", c.nodes, l, len(held))
				}
			}
		}
		for _, n := range total {
			if n < 16*64*c.replicas/c.nodes-1 || n > 16*64*c.replicas/c.nodes+1 {
				t.Errorf("%d nodes, %d replicas: uneven over all layers: %v", c.nodes, c.replicas, total)
			}
		}
	}
}

// TestMovesOnlyWhatMust: a new node takes its share and nothing else moves; a
// leaving node's experts move and nothing else does.
func TestMovesOnlyWhatMust(t *testing.T) {
	cases := []struct{ from, to, replicas, moves int }{
		{2, 2, 1, 0}, {2, 3, 1, 21}, {3, 2, 1, 0 /* counted below */}, {2, 4, 1, 32}, {4, 8, 1, 32},
		{1, 2, 1, 32}, {8, 7, 1, 8}, {4, 1, 1, 48}, {4, 5, 2, 25}, {2, 3, 2, 42},
	}
	for _, c := range cases {
		from := Request{Layers: 16, Experts: 64, Nodes: nodes(c.from), Replicas: c.replicas}
		was := mustPlan(t, from)
		to := from
		to.Nodes, to.Current = nodes(c.to), was
		is := mustPlan(t, to)
		checkPlan(t, to, is)
		want := c.moves * 16
		if c.to < c.from {
			want = 0
			for _, n := range was.Nodes[c.to:] {
				for _, held := range n.Experts {
					want += len(held)
				}
			}
		}
		if got := len(placement.Diff(was, is, 1)); got != want {
			t.Errorf("%d -> %d nodes x%d: %d moves, want %d", c.from, c.to, c.replicas, got, want)
		}
	}
}

func TestMoreReplicasKeepWhatIsThere(t *testing.T) {
	r := Request{Layers: 4, Experts: 64, Nodes: nodes(4), Replicas: 1}
	one := mustPlan(t, r)
	r.Replicas, r.Current = 2, one
	two := mustPlan(t, r)
	checkPlan(t, r, two)
	moves := placement.Diff(one, two, 1)
	if len(moves) != 4*64 {
		t.Errorf("%d moves, want one new copy of each of 256", len(moves))
	}
	for _, m := range moves {
		if m.Reason != "replica added" || m.From == "" {
			t.Fatalf("%+v: want a copy from its holder", m)
		}
	}
	r.Replicas, r.Current = 1, two
	if back := placement.Diff(two, mustPlan(t, r), 1); len(back) != 0 {
		t.Errorf("dropping copies loads %d experts, want none", len(back))
	}
}

func TestRefuses(t *testing.T) {
	ok := Request{Layers: 2, Experts: 64, Nodes: nodes(2), Replicas: 1}
	cases := []struct {
		name string
		edit func(*Request)
		want string
	}{
		{"no nodes", func(r *Request) { r.Nodes = nil }, "no node"},
		{"no layers", func(r *Request) { r.Layers = 0 }, "at least 1"},
		{"too many replicas", func(r *Request) { r.Replicas = 3 }, "between 1 and the number of nodes"},
		{"slots", func(r *Request) { r.SlotsPerNode = 16 }, "set slotsPerNode to at least 32, or the number of nodes to at least 4"},
		{"slots, replicas", func(r *Request) { r.SlotsPerNode, r.Replicas = 63, 2 }, "at least 64, or the number of nodes to at least 3"},
		{"pool's slots", func(r *Request) { r.Slots = 63 }, "at least 64 are needed"},
		{"negative", func(r *Request) { r.SlotsPerNode = -1 }, "negative"},
		{"layers of loads", func(r *Request) { r.Loads = make([][]float64, 1) }, "loads for 1 layers"},
		{"experts of loads", func(r *Request) { r.Loads = make([][]float64, 2) }, "are for 0 experts"},
		{"gain", func(r *Request) { r.MinGain = -1 }, "minGain -1"},
		{"moves", func(r *Request) { r.MaxMoves = -1 }, "maxMoves -1"},
		{"bad load", func(r *Request) { r.Loads = [][]float64{make([]float64, 64), append(make([]float64, 63), -1)} }, "layer 1: expert 63"},
	}
	for _, c := range cases {
		r := ok
		c.edit(&r)
		_, err := Plan(r)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		var slots *SlotError
		if strings.HasPrefix(c.name, "slots") && !errors.As(err, &slots) {
			t.Errorf("%s: not a SlotError", c.name)
		}
	}
}

// TestProperties: from any placement, with or without loads, the promises hold,
// a second plan from the result moves nothing, and the same request gives the
// same answer.
func TestProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		r := randomRequest(rnd)
		p := mustPlan(t, r)
		checkPlan(t, r, p)
		if !reflect.DeepEqual(p, mustPlan(t, r)) {
			t.Fatal("the same request gave two placements")
		}
		r.Current = p
		if again := mustPlan(t, r); len(placement.Diff(p, again, 1)) != 0 {
			t.Fatalf("a plan from its own result moves %d experts (loads: %v)", len(placement.Diff(p, again, 1)), r.Loads != nil)
		}
	}
}

func randomRequest(rnd *rand.Rand) Request {
	n := 1 + rnd.IntN(9)
	r := Request{Layers: 1 + rnd.IntN(3), Experts: 1 + rnd.IntN(40), Nodes: nodes(n), Replicas: 1 + rnd.IntN(n)}
	if rnd.IntN(2) == 0 {
		r.SlotsPerNode = ceilDiv(r.Experts*r.Replicas, n) + rnd.IntN(4)
	}
	if rnd.IntN(2) == 0 {
		r.Loads = randomLoads(rnd, r.Layers, r.Experts)
	}
	if rnd.IntN(3) > 0 {
		was := Request{Layers: r.Layers, Experts: r.Experts, Nodes: nodes(1 + rnd.IntN(9)), Replicas: 1}
		was.Replicas = 1 + rnd.IntN(len(was.Nodes))
		was.Loads = randomLoads(rnd, r.Layers, r.Experts)
		r.Current, _ = Plan(was)
	}
	return r
}

func randomLoads(rnd *rand.Rand, layers, experts int) [][]float64 {
	out := make([][]float64, layers)
	for l := range out {
		for range experts {
			out[l] = append(out[l], float64(int(rnd.ExpFloat64()*1000)))
		}
	}
	return out
}

// FuzzPlan feeds damaged current placements and odd sizes.
func FuzzPlan(f *testing.F) {
	f.Add(uint8(2), uint8(64), uint8(3), uint8(1), uint8(0), []byte{1, 2, 3})
	f.Add(uint8(16), uint8(8), uint8(5), uint8(5), uint8(9), []byte{255, 0, 7, 7, 7})
	f.Fuzz(func(t *testing.T, layers, experts, n, replicas, slots uint8, raw []byte) {
		r := Request{Layers: int(layers % 8), Experts: int(experts % 70), Nodes: nodes(int(n % 12)),
			Replicas: int(replicas % 12), SlotsPerNode: int(slots)}
		r.Current = damaged(r, raw)
		p, err := Plan(r)
		if err != nil {
			return
		}
		checkPlan(t, r, p)
	})
}

func damaged(r Request, raw []byte) *placement.Placement {
	p := &placement.Placement{Layers: r.Layers, Experts: r.Experts, Nodes: nodes(len(raw) % 14)}
	for i := range p.Nodes {
		for j, b := range raw {
			if j%len(p.Nodes) == i {
				p.Nodes[i].Experts = append(p.Nodes[i].Experts, []int{int(b), int(b) - 100, j, j})
			}
		}
	}
	return p
}

// Layers are planned at the same time; who plans which must not show.
func TestTheSamePlanOnAnyNumberOfCPUs(t *testing.T) {
	for _, procs := range []int{1, 2, 5} {
		for name, r := range map[string]Request{"nothing held": fullSize(7), "other loads": otherLoads(t), "a budget": spending(t)} {
			t.Run(fmt.Sprintf("%s, %d CPUs", name, procs), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				want := mustPlan(t, r)
				runtime.GOMAXPROCS(procs)
				for range 5 {
					if got := mustPlan(t, r); !reflect.DeepEqual(got, want) {
						t.Fatal("another plan than on one CPU")
					}
				}
			})
		}
	}
}

func otherLoads(t testing.TB) Request {
	r := fullSize(7)
	r.Current, r.MinGain = mustPlan(t, fullSize(9)), 0.002
	return r
}

func spending(t testing.TB) Request {
	r := otherLoads(t)
	r.MaxMoves = 40
	return r
}
