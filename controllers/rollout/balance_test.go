package rollout

import (
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// skewed: the experts of the first node have nine times the load of the others.
func skewed(p *placement.Placement) [][]float64 {
	loads := make([][]float64, p.Layers)
	for l := range loads {
		loads[l] = []float64{100, 100, 100, 100, 100, 100, 100, 100}
		for _, e := range p.Nodes[0].Experts[l] {
			loads[l][e] = 900
		}
	}
	return loads
}

func serving(t *testing.T, n int) *placement.Document {
	t.Helper()
	return &placement.Document{Revision: 7, Model: "f00d", Serving: planned(t, n, 3)}
}

func rest(t *testing.T, n int) State {
	t.Helper()
	return State{Members: members(n), Replicas: 1, Nodes: nodes(n, 3), Routers: router(3), Doc: serving(t, n)}
}

func TestRebalance(t *testing.T) {
	tests := []struct {
		name  string
		edit  func(*State)
		moves bool // a new target
		worth bool
		looks bool
	}{
		{"loads unknown", func(s *State) { s.Loads = nil }, false, false, false},
		{"not the time", func(s *State) { s.Rebalance = nil }, false, false, false},
		{"loads of another model", func(s *State) { s.Loads = s.Loads[:1] }, false, false, false},
		{"skewed", func(*State) {}, true, true, true},
		{"equal loads", func(s *State) { s.Loads = [][]float64{{5, 5, 5, 5, 5, 5, 5, 5}, {5, 5, 5, 5, 5, 5, 5, 5}} }, false, false, true},
		{"no budget now", func(s *State) { s.Rebalance.Spent = true }, false, true, true},
		{"a budget of nothing", func(s *State) { s.Rebalance.Moves = 0 }, false, false, true},
		{"less than asked for", func(s *State) { s.Rebalance.MinGain = 0.9 }, false, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := rest(t, 2)
			s.Loads, s.Rebalance = skewed(s.Doc.Serving), &Rebalance{Moves: 100, MinGain: 0.05}
			tt.edit(&s)
			d := Decide(s)
			if moved := d.Doc != s.Doc; moved != tt.moves {
				t.Fatalf("moved: %v, want %v", moved, tt.moves)
			}
			if (d.Balance != nil) != tt.looks || d.Balance != nil && d.Balance.Worth != tt.worth {
				t.Fatalf("balance %+v, want worth %v", d.Balance, tt.worth)
			}
			if !tt.moves {
				return
			}
			before, after := s.Doc.Serving.Balancedness(s.Loads), d.Doc.Target.Balancedness(s.Loads)
			if d.Doc.Serving != s.Doc.Serving || before[0] >= after[0] || after[0] < 0.99 {
				t.Errorf("balancedness %v, then %v", before, after)
			}
			if n := len(placement.Diff(s.Doc.Serving, d.Doc.Target, 0)); n != d.Balance.Moves || n == 0 {
				t.Errorf("%d moves, said %d", n, d.Balance.Moves)
			}
		})
	}
}

func TestRebalanceKeepsTheBudget(t *testing.T) {
	s := rest(t, 2)
	s.Loads, s.Rebalance = skewed(s.Doc.Serving), &Rebalance{Moves: 2, MinGain: 0.05}
	d := Decide(s)
	if d.Doc == s.Doc || d.Balance.Moves > 2 {
		t.Errorf("%+v with a budget of 2", d.Balance)
	}
}

// A placement made for loads stays when the loads are not known any more, as
// after a restart of the operator.
func TestAPlacementByLoadStays(t *testing.T) {
	s := rest(t, 2)
	s.SlotsPerNode, s.Loads, s.Rebalance = 6, skewed(s.Doc.Serving), &Rebalance{Moves: 100, MinGain: 0.05}
	d := Decide(s)
	if d.Doc == s.Doc {
		t.Fatal("nothing moved")
	}
	s.Doc = &placement.Document{Revision: 9, Model: "f00d", Serving: d.Doc.Target}
	s.Loads, s.Rebalance = nil, nil
	if again := Decide(s); again.Doc != s.Doc || again.Waiting != "" {
		t.Errorf("%s, waiting for %q", shape(again.Doc), again.Waiting)
	}
}

func lose(s State, names ...string) State {
	for _, n := range names {
		s.Nodes[n] = Node{Lost: true}
	}
	return s
}

// What a lost node had gets another owner; when it is back it takes part again.
func TestLostNodes(t *testing.T) {
	tests := []struct {
		name    string
		s       State
		doc     string
		urgent  bool
		waiting string
	}{
		{"its experts have no owner", lose(rest(t, 3), "demo-experts-1"), "revision 8, serving 3 on 3, target 8 on 2", true, "placement 8"},
		{"the others have no room", func() State {
			s := lose(rest(t, 3), "demo-experts-1")
			s.SlotsPerNode = 3
			return s
		}(), "revision 7, serving 3 on 3, target -", false, "more expert nodes"},
		{"all are silent", lose(rest(t, 2), "demo-experts-0", "demo-experts-1"), "revision 7, serving 3 on 2, target -", false, "an expert node to answer"},
		{"while another is on its way", func() State {
			s := lose(rest(t, 3), "demo-experts-1")
			s.Members = members(4)
			return s
		}(), "revision 8, serving 3 on 3, target 8 on 2", true, "placement 8"},
		{"it is back", func() State {
			s := rest(t, 3)
			s.Doc.Serving = planned(t, 2, 3)
			return s
		}(), "revision 8, serving 3 on 2, target 8 on 3", false, "placement 8"},
		{"a target that routers use loses its owner", func() State {
			s := lose(rest(t, 3), "demo-experts-2")
			s.Doc = &placement.Document{Revision: 8, Model: "f00d", Serving: planned(t, 2, 3), Target: planned(t, 3, 4)}
			s.Routers = router(4)
			return s
		}(), "revision 9, serving 3 on 2, target -", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Decide(tt.s)
			if got := shape(d.Doc); got != tt.doc {
				t.Errorf("document: %s, want %s", got, tt.doc)
			}
			if d.Doc.Urgent != tt.urgent {
				t.Errorf("urgent is %v", d.Doc.Urgent)
			}
			if !strings.Contains(d.Waiting, tt.waiting) || (tt.waiting == "") != (d.Waiting == "") {
				t.Errorf("waiting for %q, want %q", d.Waiting, tt.waiting)
			}
			if d.Doc.Target != nil && d.Doc.Target.Node("demo-experts-1") != nil && tt.s.Nodes["demo-experts-1"].Lost {
				t.Error("the lost node is in the new placement")
			}
		})
	}
}

// With two replicas a lost node is made up for without haste, with as many
// replicas as the nodes that are left can hold.
func TestLostReplicasAreRestored(t *testing.T) {
	for _, tt := range []struct{ nodes, copies int }{{3, 2}, {2, 1}} {
		s := rest(t, tt.nodes)
		p, err := planner.Plan(planner.Request{Layers: 2, Experts: 8, Nodes: members(tt.nodes), Replicas: 2, Epoch: 3})
		if err != nil {
			t.Fatal(err)
		}
		s.Replicas, s.Doc.Serving = 2, p
		d := Decide(lose(s, "demo-experts-0"))
		if d.Doc.Target == nil || d.Doc.Urgent {
			t.Fatalf("%d nodes: %s, urgent %v", tt.nodes, shape(d.Doc), d.Doc.Urgent)
		}
		copies := 0
		for _, n := range d.Doc.Target.Nodes {
			copies += len(n.Experts[0])
		}
		if copies != 8*tt.copies {
			t.Errorf("%d nodes: %d copies of 8 experts, want %d of each", tt.nodes, copies, tt.copies)
		}
	}
}

// Nodes of uneven domains hold uneven numbers of experts. Whichever nodes those are, the
// balancer moves what is worth it within its budget.
func TestUnevenDomainsAreBalanced(t *testing.T) {
	model := &Model{Fingerprint: "f00d", Layers: 3, Experts: 64}
	kinds, worth := texts(t), 0
	for n := 3; n <= 8; n++ {
		for k, kind := range kinds {
			s := State{Members: members(n), Replicas: 2, Nodes: map[string]Node{}, Routers: router(3), Machines: map[string]string{},
				Rebalance: &Rebalance{Moves: 12, MinGain: 0.05}}
			for i, m := range s.Members {
				s.Nodes[m.Name] = Node{Model: model, ReadyEpoch: 3}
				s.Machines[m.Name] = []string{"a", "b", "c"}[max(0, (i+k)%n-n+3)]
			}
			s.Routers[0].Model = model
			p, err := planner.Plan(planner.Request{Layers: 3, Experts: 64, Nodes: members(2), Replicas: 2, Epoch: 2})
			for m := 3; m <= n && err == nil; m++ { // grown node by node, without load
				p, err = planner.Plan(planner.Request{Layers: 3, Experts: 64, Nodes: members(m), Replicas: 2, Domains: s.Machines, Current: p, Epoch: 3})
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Doc, s.Loads = &placement.Document{Revision: 3, Model: "f00d", Serving: p}, kind.loads
			d := Decide(s)
			if d.Balance == nil || !d.Balance.Worth {
				continue
			}
			worth++
			if d.Doc == s.Doc || d.Balance.Moves > s.Rebalance.Moves || d.Balance.Moves == 0 {
				t.Errorf("%d nodes, %s: %+v, and nothing moves", n, kind.name, *d.Balance)
			}
		}
	}
	if worth == 0 {
		t.Error("nothing was worth moving: the test shows nothing")
	}
	t.Logf("%d pools", worth)
}
