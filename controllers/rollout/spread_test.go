package rollout

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// paired is a pool of four nodes with two copies of each expert, placed without a look
// at machines, of which the nodes 0 and 1 share one, and 2 and 3.
func paired(t *testing.T) State {
	t.Helper()
	s := rest(t, 4)
	p, err := planner.Plan(planner.Request{Layers: 2, Experts: 8, Nodes: members(4), Replicas: 2, Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	s.Replicas, s.Doc.Serving, s.SpreadMoves = 2, p, 100
	s.Machines = map[string]string{"demo-experts-0": "a", "demo-experts-1": "a", "demo-experts-2": "b", "demo-experts-3": "b"}
	return s
}

// sharing counts experts all of whose owners run on one machine.
func sharing(p *placement.Placement, machines map[string]string) (n int) {
	for l := range p.Layers {
		for e := range p.Experts {
			on := map[string]bool{}
			for _, node := range p.Nodes {
				for _, held := range node.Experts[l] {
					if held == e {
						on[machines[node.Name]] = true
					}
				}
			}
			if len(on) == 1 {
				n++
			}
		}
	}
	return n
}

func TestSpread(t *testing.T) {
	tests := []struct {
		name    string
		edit    func(*State)
		spreads bool
	}{
		{"copies share a machine", func(*State) {}, true},
		{"loads known", func(s *State) { s.Loads = skewed(s.Doc.Serving) }, true},
		{"loads known and moves worth it", func(s *State) {
			s.Loads, s.Rebalance = skewed(s.Doc.Serving), &Rebalance{Moves: 100, MinGain: 0.05}
		}, true},
		{"not the time", func(s *State) { s.SpreadMoves = 0 }, false},
		{"machines unknown", func(s *State) { s.Machines = nil }, false},
		{"one machine", func(s *State) {
			for name := range s.Machines {
				s.Machines[name] = "a"
			}
		}, false},
		{"one replica", func(s *State) { s.Replicas, s.SlotsPerNode = 1, 8 }, false},
		{"no room: a machine with one node of four", func(s *State) {
			s.SlotsPerNode, s.Machines["demo-experts-2"] = 4, "a"
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := paired(t)
			tt.edit(&s)
			d := Decide(s)
			if (d.Spread != nil) != tt.spreads || tt.spreads != (d.Doc != s.Doc) {
				t.Fatalf("%+v, %s", d.Spread, shape(d.Doc))
			}
			if !tt.spreads {
				return
			}
			before, after := sharing(s.Doc.Serving, s.Machines), sharing(d.Doc.Target, s.Machines)
			moves := len(placement.Diff(s.Doc.Serving, d.Doc.Target, 0))
			if *d.Spread != (Spread{before, 0, moves}) || before == 0 || after != 0 || d.Doc.Urgent {
				t.Errorf("%+v; %d experts share a machine, before %d, %d moves", d.Spread, after, before, moves)
			}
			s.Doc = &placement.Document{Revision: 9, Model: "f00d", Serving: d.Doc.Target}
			if again := Decide(s); again.Spread != nil {
				t.Errorf("again: %+v", again.Spread)
			}
		})
	}
}

// Copies part a budget at a time, and none of what is done is undone.
func TestSpreadKeepsTheBudget(t *testing.T) {
	s := paired(t)
	s.SpreadMoves = 2
	left := sharing(s.Doc.Serving, s.Machines)
	for left > 0 {
		d := Decide(s)
		if d.Spread == nil || d.Spread.Moves > 2 || d.Spread.Before != left || d.Spread.After >= left {
			t.Fatalf("%d experts share a machine: %+v", left, d.Spread)
		}
		left = d.Spread.After
		s.Doc = &placement.Document{Revision: d.Doc.Revision + 1, Model: "f00d", Serving: d.Doc.Target}
	}
}

// The first placement, and one for a node that came, heed machines at once.
func TestNewPlacementsHeedMachines(t *testing.T) {
	for name, edit := range map[string]func(*State){
		"first":       func(s *State) { s.Doc = nil },
		"a node came": func(s *State) { s.Doc.Serving = planned(t, 3, 3) },
		"replicas":    func(s *State) { s.Doc.Serving = planned(t, 4, 3) },
	} {
		s := paired(t)
		s.SpreadMoves = 0
		edit(&s)
		if d := Decide(s); d.Doc.Target == nil || sharing(d.Doc.Target, s.Machines) != 0 {
			t.Errorf("%s: %s, %d experts share a machine", name, shape(d.Doc), sharing(d.Doc.Target, s.Machines))
		}
	}
}

// A pod that is made anew runs on no machine until it is scheduled, and then perhaps on
// another one. That moves no expert at once, though domains shape where nodes have no
// limit of slots: node 2, alone on its machine, holds a copy of all.
func TestRestartsMoveNothing(t *testing.T) {
	s := rest(t, 3)
	s.Replicas, s.Machines = 2, map[string]string{"demo-experts-0": "a", "demo-experts-1": "a", "demo-experts-2": "b"}
	s.Doc = nil
	first := Decide(s).Doc.Target
	s.Doc = &placement.Document{Revision: 7, Model: "f00d", Serving: first}
	if n := len(first.Nodes[2].Experts[0]); n != 8 {
		t.Fatalf("the node alone on its machine holds %d of 8 experts", n)
	}
	for name, machine := range map[string]string{"at rest": "a", "not scheduled": "", "on a machine of its own": "c"} {
		s.Machines["demo-experts-1"] = machine
		for what, loads := range map[string][][]float64{"known": skewed(first), "unknown": nil} {
			s.Loads = loads
			if d := Decide(s); d.Doc != s.Doc || d.Waiting != "" || !d.AsWanted {
				t.Errorf("%s, loads %s: %s", name, what, shape(d.Doc))
			}
		}
	}
}
