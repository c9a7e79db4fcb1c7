package rollout

import (
	"fmt"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// meanText is the loads over all kinds of text, to which a pool was balanced.
func meanText(t *testing.T) [][]float64 {
	t.Helper()
	kinds := texts(t)
	sum := make([][]float64, len(kinds[0].loads))
	for l := range sum {
		sum[l] = make([]float64, len(kinds[0].loads[l]))
		for _, k := range kinds {
			share := 1 / load.Total(k.loads[l])
			for e, w := range k.loads[l] {
				sum[l][e] += 1e6 * w * share
			}
		}
	}
	return sum
}

// balancedPool is at rest, balanced to loads that it knows.
func balancedPool(t *testing.T, n, slots, replicas int) State {
	t.Helper()
	loads := meanText(t)
	model := &Model{Fingerprint: "f00d", Layers: len(loads), Experts: len(loads[0])}
	p, err := planner.Plan(planner.Request{Layers: model.Layers, Experts: model.Experts, Nodes: members(n), Replicas: replicas,
		SlotsPerNode: slots, Loads: loads, Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := State{Members: members(n), Replicas: replicas, SlotsPerNode: slots, Loads: loads, Nodes: map[string]Node{},
		Routers: []Router{{Name: "r", Model: model, ServingEpoch: 3, Running: true}},
		Doc:     &placement.Document{Revision: 3, Model: "f00d", Serving: p}}
	for _, m := range members(n) {
		s.Nodes[m.Name] = Node{Model: model, ReadyEpoch: 3}
	}
	return s
}

// follow lets every pod do what the decided document asks for.
func (s *State) follow(d Decision) {
	s.Doc = d.Doc
	for name, n := range s.Nodes {
		if n.Revision = d.Doc.Revision; n.Model != nil && d.Doc.Target != nil {
			n.ReadyEpoch = d.Doc.Target.Epoch
		}
		s.Nodes[name] = n
	}
	if d.Doc.Target != nil {
		s.Routers[0].ServingEpoch = d.Doc.Target.Epoch
	}
}

// mustLoad counts the copies that are missing of p on those nodes, to have so many.
func mustLoad(p *placement.Placement, on map[string]bool, copies int) (n int) {
	for l := range p.Layers {
		held := make([]int, p.Experts)
		for _, node := range p.Nodes {
			if on[node.Name] {
				for _, e := range node.Experts[l] {
					held[e]++
				}
			}
		}
		for _, c := range held {
			n += max(0, copies-c)
		}
	}
	return n
}

func namesOf(nodes []placement.Node) map[string]bool {
	names := map[string]bool{}
	for _, n := range nodes {
		names[n.Name] = true
	}
	return names
}

// Calls wait until all of an urgent target is loaded, so it holds what has no owner and
// nothing else; lost copies come after it, without haste. Then all is at rest.
func TestOnlyWhatHasNoOwnerIsUrgent(t *testing.T) {
	for _, c := range []struct{ nodes, slots, replicas, lost int }{
		{4, 24, 1, 1}, {8, 10, 1, 1}, {8, 12, 1, 1}, {16, 6, 1, 1}, {4, 0, 1, 1}, {8, 24, 2, 2}, {8, 0, 2, 3},
	} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d nodes, %d slots, %d replicas, %d lost, loads known %t", c.nodes, c.slots, c.replicas, c.lost, known), func(t *testing.T) {
				s := balancedPool(t, c.nodes, c.slots, c.replicas)
				if !known {
					s.Loads = nil
				}
				for _, m := range s.Members[c.nodes-c.lost:] {
					s.Nodes[m.Name] = Node{Lost: true}
				}
				left := namesOf(s.Members[:c.nodes-c.lost])
				d := Decide(s)
				must, loads := mustLoad(s.Doc.Serving, left, 1), placement.Diff(s.Doc.Serving, d.Doc.Target, 0)
				if !d.Doc.Urgent || must == 0 || len(loads) != must {
					t.Fatalf("urgent %t: %d loads, %d experts have no owner", d.Doc.Urgent, len(loads), must)
				}
				for range 6 {
					s.follow(d)
					if d = Decide(s); d.Doc.Target != nil && (d.Doc.Urgent || d.Doc == s.Doc) {
						t.Fatalf("then urgent %t, waiting for %s", d.Doc.Urgent, d.Waiting)
					}
				}
				if copies := min(c.replicas, len(left)); d.Doc != s.Doc || d.Doc.Target != nil || mustLoad(d.Doc.Serving, left, copies) != 0 {
					t.Errorf("not at rest: %s, %d copies are missing", shape(d.Doc), mustLoad(d.Doc.Serving, left, copies))
				}
			})
		}
	}
}

// A step loads what it needs, and what fills a node that came. What is left to gain is
// the balancer's.
func TestStepsLeaveBalanceToTheBalancer(t *testing.T) {
	for _, c := range []struct{ nodes, slots, replicas, to int }{
		{8, 10, 1, 7}, {8, 12, 1, 7}, {16, 6, 1, 15}, {8, 24, 2, 7}, {4, 0, 1, 3},
		{8, 10, 1, 9}, {16, 6, 1, 17}, {2, 40, 1, 3}, {4, 0, 2, 6},
	} {
		s := balancedPool(t, c.nodes, c.slots, c.replicas)
		s.Members = members(c.to)
		for _, m := range s.Members {
			s.Nodes[m.Name] = Node{Model: s.Routers[0].Model}
		}
		d, before := Decide(s), s.Doc.Serving
		loads := len(placement.Diff(before, d.Doc.Target, 0))
		most := mustLoad(before, namesOf(s.Members), c.replicas)
		if came := c.to - c.nodes; came > 0 {
			held := 0
			for _, n := range before.Nodes {
				for _, experts := range n.Experts {
					held += len(experts)
				}
			}
			most = 3 * ((held*came + c.to - 1) / c.to)
		}
		got, want := load.Total(d.Doc.Target.BusiestLoads(s.Loads)), load.Total(replan(t, s, c.to).BusiestLoads(s.Loads))
		t.Logf("%+v: %d loads, at most %d; the layers' busiest nodes have %.3f of what a plan from nothing gives them", c, loads, most, got/want)
		if d.Doc.Urgent || loads == 0 || loads > most {
			t.Errorf("%+v: urgent %t, %d loads, at most %d", c, d.Doc.Urgent, loads, most)
		}
		if c.to > c.nodes && got > 1.04*want {
			t.Errorf("%+v: the layers' busiest nodes have %.3f of what a plan from nothing gives them, though nodes came", c, got/want)
		}
	}
}

func replan(t *testing.T, s State, n int) *placement.Placement {
	t.Helper()
	p, err := planner.Plan(planner.Request{Layers: len(s.Loads), Experts: len(s.Loads[0]), Nodes: members(n), Replicas: s.Replicas,
		SlotsPerNode: s.SlotsPerNode, Loads: s.Loads})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Where the nodes that are left have room for fewer replicas than the spec wants, what
// they can hold is enough, and stays.
func TestMakingDoComesToRest(t *testing.T) {
	s := balancedPool(t, 3, 43, 2)
	s.Loads, s.Nodes["demo-experts-0"] = nil, Node{Lost: true}
	for range 2 {
		s.follow(Decide(s))
	}
	if d := Decide(s); d.Doc != s.Doc || len(d.Doc.Serving.Nodes) != 2 {
		t.Errorf("%s", shape(d.Doc))
	}
}

// What the autoscaler is told of a step in is what the step will bring.
func TestForecast(t *testing.T) {
	s := balancedPool(t, 8, 10, 1)
	r := planner.Request{Layers: len(s.Loads), Experts: 64, Nodes: members(7), Replicas: 1, SlotsPerNode: 10, Loads: s.Loads, Current: s.Doc.Serving}
	told, err := Forecast(Rebalance{Moves: 1000, MinGain: 0.05}, 2)(r)
	if err != nil {
		t.Fatal(err)
	}
	s.Members = members(7)
	if moves := placement.Diff(told, Decide(s).Doc.Target, 0); len(moves) > 0 {
		t.Errorf("the step has %d experts elsewhere", len(moves))
	}
	s.Members, s.Loads = members(8), madeUp(3)
	s.Rebalance = &Rebalance{Moves: 1000, MinGain: 0.05}
	r.Nodes, r.Loads = s.Members, s.Loads
	if told, err = Forecast(*s.Rebalance, 2)(r); err != nil {
		t.Fatal(err)
	}
	if moves := placement.Diff(told, Decide(s).Doc.Target, 0); len(moves) > 0 {
		t.Errorf("the balancer has %d experts elsewhere", len(moves))
	}
	if told, err = Forecast(Rebalance{Moves: 1000, MinGain: 0.9}, 2)(r); err != nil || !told.Same(s.Doc.Serving) {
		t.Errorf("a balancer that asks for more moves nothing: %v", err)
	}
}

// Nodes that came are filled, however small their share is: it is rounded up, and never to
// nothing, which would be no limit.
func TestAStepHasALimit(t *testing.T) {
	for _, c := range []struct{ from, to, most int }{{2, 2, 0}, {2, 3, 3 * 6}, {3, 4, 3 * 4}, {8, 11, 3 * 5}, {16, 17, 3 * 1}} { // 16 experts in all
		r := structural(planner.Request{Nodes: members(c.to), Current: planned(t, c.from, 3)})
		if r.MaxMoves != c.most || r.MinGain == 0 {
			t.Errorf("from %d to %d nodes: at most %d loads, want %d, for a gain of %g", c.from, c.to, r.MaxMoves, c.most, r.MinGain)
		}
	}
}
