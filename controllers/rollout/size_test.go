package rollout

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// large is a checkpoint of whose experts a ConfigMap holds one copy each, twice, and no
// more: a copy of all takes 0.4 MB.
var large = &Model{Fingerprint: "f00d", Layers: 400, Experts: 256}

// TestPlacementTooLarge: what a ConfigMap cannot hold is not decided for, and what is in
// force can still be left: lost nodes' experts get owners, and the spec can go back.
func TestPlacementTooLarge(t *testing.T) {
	two, three := largeServing(t, large, 2), largeServing(t, large, 3)
	for _, c := range []struct {
		name              string
		replicas, members int
		serving           *placement.Document
		lost              bool // the last node of serving
		doc, problem      string
	}{
		{"first", 2, 2, nil, false, "nothing", "PlacementTooLarge: the placement of 400 layers of 256 experts on 2 nodes"},
		{"more copies", 2, 2, two, false, "revision 7, serving 3 on 2, target -", "PlacementTooLarge"},
		{"more copies, and a node is lost", 2, 3, three, true, "revision 8, serving 3 on 3, target 8 on 2", ""},
		{"as many nodes fit", 1, 3, two, false, "revision 8, serving 3 on 2, target 8 on 3", ""},
		{"the spec went back", 1, 2, two, false, "revision 7, serving 3 on 2, target -", ""},
	} {
		s := State{Members: members(c.members), Replicas: c.replicas, Doc: c.serving, Nodes: map[string]Node{}, Routers: []Router{{Name: "r", Model: large, ServingEpoch: 3, Running: true}}}
		for _, m := range s.Members {
			s.Nodes[m.Name] = Node{Model: large, ReadyEpoch: 3}
		}
		if c.lost {
			s.Nodes[s.Members[2].Name] = Node{Lost: true}
		}
		d := Decide(s)
		problem := ""
		if d.Problem != nil {
			problem = d.Problem.Reason + ": " + d.Problem.Message
		}
		if got := shape(d.Doc); got != c.doc || !strings.HasPrefix(problem, c.problem) || (problem == "") != (c.problem == "") {
			t.Errorf("%s: %s, problem %q; want %s, problem %q", c.name, got, problem, c.doc, c.problem)
		}
		if c.problem != "" && d.Doc != c.serving {
			t.Errorf("%s: another document is decided for", c.name)
		}
		if raw, err := json.Marshal(d.Doc); err != nil || len(raw) > 1<<20 {
			t.Errorf("%s: a document of %d bytes, %v", c.name, len(raw), err)
		}
	}
}

// TestBalanceTooLarge: what a ConfigMap holds once and not twice, as it may be of a former
// build, cannot be balanced, and the balancer says that it cannot do its work.
func TestBalanceTooLarge(t *testing.T) {
	m := &Model{Fingerprint: "f00d", Layers: 600, Experts: 256}
	row := make([]float64, m.Experts)
	for e := range row {
		row[e] = 1 + float64(e%2*999) // the odd ones, which are on one node
	}
	s := State{Members: members(2), Replicas: 1, Doc: largeServing(t, m, 2), Nodes: map[string]Node{}, Loads: slices.Repeat([][]float64{row}, m.Layers), Rebalance: &Rebalance{Moves: 1 << 20}}
	for _, n := range s.Members {
		s.Nodes[n.Name] = Node{Model: m, ReadyEpoch: 3}
	}
	for l := range m.Layers {
		for i := range 2 {
			s.Doc.Serving.Nodes[i].Experts[l] = nil
			for e := 1 - i; e < m.Experts; e += 2 {
				s.Doc.Serving.Nodes[i].Experts[l] = append(s.Doc.Serving.Nodes[i].Experts[l], e)
			}
		}
	}
	if d := Decide(s); d.Doc != s.Doc || d.Problem != nil || d.Balance == nil || d.Balance.Err == nil || d.Balance.Worth {
		t.Errorf("%s, problem %v, balance %+v", shape(d.Doc), d.Problem, d.Balance)
	}
}

func largeServing(t *testing.T, m *Model, n int) *placement.Document {
	t.Helper()
	p, err := planner.Plan(planner.Request{Layers: m.Layers, Experts: m.Experts, Nodes: members(n), Replicas: 1, Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	return &placement.Document{Revision: 7, Model: m.Fingerprint, Serving: p}
}

// Of a lost node's experts as many copies are made again as can be published, while the spec
// asks for more; and a placement that is too large beside the one in force alone says so.
func TestCopiesWhileThePlacementIsTooLarge(t *testing.T) {
	m := &Model{Fingerprint: "f00d", Layers: 250, Experts: 256}
	place := func(nodes, replicas int) *placement.Placement {
		p, err := planner.Plan(planner.Request{Layers: m.Layers, Experts: m.Experts, Nodes: members(nodes), Replicas: replicas, Epoch: 3})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	serving := place(4, 2)
	s := State{Members: members(4), Replicas: 4, Doc: &placement.Document{Revision: 7, Model: m.Fingerprint, Serving: serving},
		Nodes: map[string]Node{}, Routers: []Router{{Name: "r", Model: m, ServingEpoch: 3, Running: true}}}
	for _, n := range s.Members {
		s.Nodes[n.Name] = Node{Model: m, ReadyEpoch: 3}
	}
	s.Nodes[s.Members[2].Name] = Node{Lost: true}
	d := Decide(s)
	if d.Problem == nil || d.Doc.Target == nil || slices.Min(d.Doc.Target.Copies(0)) != 2 {
		t.Errorf("problem %v, target %v; want one with two copies of each expert", d.Problem, d.Doc.Target != nil)
	}
	if err := publishable(place(4, 3), serving); err == nil || !strings.Contains(err.Error(), "beside the one in force, on 4 nodes") {
		t.Errorf("error %v", err)
	}
}
