package rollout

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// deep is so many layers of made-up loads.
func deep(seed uint64, layers int) (loads [][]float64) {
	for ; len(loads) < layers; seed += 100 {
		loads = append(loads, madeUp(seed)...)
	}
	return loads[:layers]
}

// shifted is a pool of 8 nodes at rest whose traffic has changed from one kind of text to another.
func shifted(t *testing.T, layers, slots int, from, to uint64) State {
	t.Helper()
	model := &Model{Fingerprint: "f00d", Layers: layers, Experts: 64}
	s := State{Members: members(8), Replicas: 1, SlotsPerNode: slots, Nodes: map[string]Node{}, Loads: deep(to, layers),
		Routers: []Router{{Name: "r", Model: model, ServingEpoch: 3, Running: true}}}
	p, err := planner.Plan(planner.Request{Layers: layers, Experts: 64, Nodes: s.Members, Replicas: 1, SlotsPerNode: slots, Loads: deep(from, layers), Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	s.Doc = &placement.Document{Revision: 3, Model: "f00d", Serving: p}
	for _, m := range s.Members {
		s.Nodes[m.Name] = Node{Model: model, ReadyEpoch: 3}
	}
	return s
}

// balance lets the balancer spend one minute's budget after the other until nothing moves.
func (s *State) balance(t *testing.T, most int) (minutes int, last *Balance) {
	t.Helper()
	for ; minutes < most; minutes++ {
		d := Decide(*s)
		if d.Doc == s.Doc {
			return minutes, d.Balance
		}
		if n := moves(s.Doc.Serving, d.Doc.Target); n != d.Balance.Moves || n > s.Rebalance.Moves {
			t.Fatalf("%d experts are loaded, said are %d of a budget of %d", n, d.Balance.Moves, s.Rebalance.Moves)
		}
		s.Doc = &placement.Document{Revision: d.Doc.Revision, Model: d.Doc.Model, Serving: d.Doc.Target}
	}
	t.Fatalf("still moving after %d minutes", most)
	return 0, nil
}

// A budget says how fast experts move, not how far: with a small one, too, they do until the
// moves that are left, all together, are not worth it.
func TestASmallBudgetGoesAllTheWay(t *testing.T) {
	for _, slots := range []int{9, 0} {
		for _, budget := range []int{5, 12} {
			s := shifted(t, 8, slots, 0, 1)
			s.Rebalance = &Rebalance{Moves: 10_000, MinGain: 0.05}
			before, all := s.Doc.Serving, Decide(s).Balance.Gain
			s.Rebalance.Moves = budget
			n, last := s.balance(t, 200)
			s.Rebalance.Moves = 10_000
			left := Decide(s).Balance.Gain
			if n == 0 || last.Worth || last.TooSmall || left >= 0.05 {
				t.Errorf("%d slots, %d experts a minute: at rest after %d minutes, with %.3f to gain: %+v", slots, budget, n, left, *last)
			}
			t.Logf("%d slots, %d experts a minute: %.0f %% of the gain there is, in %d minutes", slots, budget, 100*gain(before, s.Doc.Serving, s.Loads)/all, n)
		}
	}
}

// Where all slots are taken experts change places in pairs, and a budget of one is too small
// for that. It says so.
func TestABudgetTooSmallForAnyMove(t *testing.T) {
	s := shifted(t, 3, 8, 0, 1)
	s.Rebalance = &Rebalance{Moves: 1, MinGain: 0.05}
	if n, last := s.balance(t, 1); n != 0 || !last.TooSmall || last.Worth {
		t.Errorf("one expert a minute: %d minutes, %+v", n, *last)
	}
	s.Rebalance.Moves = 2
	if n, last := s.balance(t, 200); n == 0 || last.TooSmall || last.Gain >= 0.05 {
		t.Errorf("two experts a minute: at rest after %d minutes, %+v", n, *last)
	}
}

// What the autoscaler is told of the balancer is what that does in as many minutes.
func TestForecastKeepsTheBudget(t *testing.T) {
	s := shifted(t, 3, 9, 0, 1)
	s.Rebalance = &Rebalance{Moves: 5, MinGain: 0.05}
	r := planner.Request{Layers: 3, Experts: 64, Nodes: s.Members, Replicas: 1, SlotsPerNode: 9, Loads: s.Loads, Current: s.Doc.Serving}
	inTwo, err := Forecast(*s.Rebalance, 2)(r)
	if err != nil {
		t.Fatal(err)
	}
	inOne, err := Forecast(Rebalance{Moves: 5, Spent: true, MinGain: 0.05}, 2)(r)
	if err != nil {
		t.Fatal(err)
	}
	for minute, told := range []*placement.Placement{inOne, inTwo} {
		d := Decide(s)
		if s.Doc = (&placement.Document{Revision: d.Doc.Revision, Model: d.Doc.Model, Serving: d.Doc.Target}); !told.Same(s.Doc.Serving) {
			t.Errorf("after %d minutes %d experts are elsewhere than foretold", minute+1, moves(told, s.Doc.Serving))
		}
	}
}
