package rollout

import (
	"fmt"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

var olmoe = &Model{Fingerprint: "f00d", Layers: 2, Experts: 8}

func members(n int) []placement.Node {
	out := make([]placement.Node, n)
	for i := range out {
		out[i] = placement.Node{Name: fmt.Sprintf("demo-experts-%d", i), Address: fmt.Sprintf("n%d:7070", i)}
	}
	return out
}

func planned(t *testing.T, n int, epoch int64) *placement.Placement {
	t.Helper()
	p, err := planner.Plan(planner.Request{Layers: 2, Experts: 8, Nodes: members(n), Replicas: 1, Epoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// nodes are n pods that report the model and have loaded an epoch.
func nodes(n int, epoch int64) map[string]Node {
	out := map[string]Node{}
	for _, m := range members(n) {
		out[m.Name] = Node{Model: olmoe, ReadyEpoch: epoch}
	}
	return out
}

func router(epoch int64) []Router {
	return []Router{{Name: "demo-router-a", Model: olmoe, ServingEpoch: epoch, Running: true}}
}

func shape(d *placement.Document) string {
	if d == nil {
		return "nothing"
	}
	one := func(p *placement.Placement) string {
		if p == nil {
			return "-"
		}
		return fmt.Sprintf("%d on %d", p.Epoch, len(p.Nodes))
	}
	return fmt.Sprintf("revision %d, serving %s, target %s", d.Revision, one(d.Serving), one(d.Target))
}

// decideCase is what goes into a decision and what has to come out.
type decideCase struct {
	name    string
	s       State
	doc     string
	nodes   int
	waiting string
	problem string
}

// decideCases: a row for each row of the package comment's table, and for what can
// go wrong in it.
func decideCases(t *testing.T) []decideCase {
	t.Helper()
	other := &Model{Fingerprint: "beef", Layers: 2, Experts: 8}
	serving2 := &placement.Document{Revision: 7, Model: "f00d", Serving: planned(t, 2, 3)}
	serving3 := &placement.Document{Revision: 7, Model: "f00d", Serving: planned(t, 3, 3)}
	first2 := &placement.Document{Revision: 1, Model: "f00d", Target: planned(t, 2, 1)}
	grow := &placement.Document{Revision: 8, Model: "f00d", Serving: planned(t, 2, 3), Target: planned(t, 3, 4)}
	shrink := &placement.Document{Revision: 8, Model: "f00d", Serving: planned(t, 3, 3), Target: planned(t, 2, 4)}
	with := func(n map[string]Node, name string, edit func(*Node)) map[string]Node {
		x := n[name]
		edit(&x)
		n[name] = x
		return n
	}
	return []decideCase{
		{"nothing reports", State{Members: members(2)}, "nothing", 2, "an expert node to report", ""},
		{"one of two reports", State{Members: members(2), Nodes: nodes(1, 0)}, "nothing", 2, "demo-experts-1 to report", ""},
		{"one of two is stuck, nothing placed", State{Members: members(2), Nodes: with(nodes(1, 0), "demo-experts-1", func(n *Node) { n.Stuck = true })}, "nothing", 2, "demo-experts-1", ""},
		{"all report", State{Members: members(2), Nodes: nodes(2, 0), Routers: router(0)}, "revision 1, serving -, target 1 on 2", 2, "placement 1", ""},
		{"first: nodes load", State{Members: members(2), Nodes: nodes(2, 0), Routers: router(0), Doc: first2}, "revision 1, serving -, target 1 on 2", 2, "demo-experts-0 to load", ""},
		{"first: router to switch", State{Members: members(2), Nodes: nodes(2, 1), Routers: router(0), Doc: first2}, "revision 1, serving -, target 1 on 2", 2, "demo-router-a to switch", ""},
		{"first: done", State{Members: members(2), Nodes: nodes(2, 1), Routers: router(1), Doc: first2}, "revision 2, serving 1 on 2, target -", 2, "no longer need", ""},
		{"first: done, no router yet", State{Members: members(2), Nodes: nodes(2, 1), Doc: first2}, "revision 2, serving 1 on 2, target -", 2, "no longer need", ""},
		{"rest", State{Members: members(2), Nodes: nodes(2, 3), Routers: router(3), Doc: serving2}, "revision 7, serving 3 on 2, target -", 2, "", ""},
		{"rest, a node is down", State{Members: members(2), Nodes: nodes(1, 3), Routers: router(3), Doc: serving2}, "revision 7, serving 3 on 2, target -", 2, "", ""},
		{"grow: pods first", State{Members: members(3), Nodes: nodes(2, 3), Routers: router(3), Doc: serving2}, "revision 7, serving 3 on 2, target -", 3, "demo-experts-2 to report", ""},
		{"grow: plan", State{Members: members(3), Nodes: nodes(3, 3), Routers: router(3), Doc: serving2}, "revision 8, serving 3 on 2, target 8 on 3", 3, "placement 8", ""},
		{"grow by two, one is stuck", State{Members: members(4), Nodes: with(nodes(3, 3), "demo-experts-3", func(n *Node) { n.Stuck = true }), Routers: router(3), Doc: serving2}, "revision 8, serving 3 on 2, target 8 on 3", 4, "placement 8", ""},
		{"grow: loading", State{Members: members(3), Nodes: nodes(3, 3), Routers: router(3), Doc: grow}, "revision 8, serving 3 on 2, target 4 on 3", 3, "to load its experts of placement 4", ""},
		{"grow: done", State{Members: members(3), Nodes: nodes(3, 4), Routers: router(4), Doc: grow}, "revision 9, serving 4 on 3, target -", 3, "no longer need", ""},
		{"grow: silent router that runs", State{Members: members(3), Nodes: nodes(3, 4), Routers: []Router{{Name: "r", Running: true}}, Doc: grow}, "revision 8, serving 3 on 2, target 4 on 3", 3, "router r to answer", ""},
		{"grow: router that does not run", State{Members: members(3), Nodes: nodes(3, 4), Routers: []Router{{Name: "r"}}, Doc: grow}, "revision 9, serving 4 on 3, target -", 3, "no longer need", ""},
		{"grow: taken back, finished first", State{Members: members(2), Nodes: nodes(3, 3), Routers: router(3), Doc: grow}, "revision 8, serving 3 on 2, target 4 on 3", 3, "to load", ""},
		{"grow: taken back, the node is stuck", State{Members: members(2), Nodes: with(nodes(3, 3), "demo-experts-2", func(n *Node) { n.Stuck = true }), Routers: router(3), Doc: grow}, "revision 9, serving 3 on 2, target -", 2, "", ""},
		{"grow: taken back, the node is gone", State{Members: members(2), Nodes: nodes(2, 3), Routers: router(3), Doc: grow}, "revision 9, serving 3 on 2, target -", 2, "", ""},
		{"grow: wanted, the node is gone", State{Members: members(3), Nodes: nodes(2, 3), Routers: router(3), Doc: grow}, "revision 8, serving 3 on 2, target 4 on 3", 3, "to load", ""},
		{"grow: gone, a router uses it", State{Members: members(2), Nodes: nodes(2, 3), Routers: router(4), Doc: grow}, "revision 8, serving 3 on 2, target 4 on 3", 3, "to load", ""},
		{"grow: gone, a router that says nothing may use it", State{Members: members(2), Nodes: nodes(2, 3), Routers: []Router{{Name: "r", Running: true}}, Doc: grow}, "revision 8, serving 3 on 2, target 4 on 3", 3, "to load", ""},
		{"grow: more, finished first", State{Members: members(4), Nodes: nodes(4, 3), Routers: router(3), Doc: grow}, "revision 8, serving 3 on 2, target 4 on 3", 4, "to load", ""},
		{"grow: more, the node is gone", State{Members: members(4), Nodes: map[string]Node{"demo-experts-0": {Model: olmoe}, "demo-experts-1": {Model: olmoe}, "demo-experts-2": {Stuck: true}, "demo-experts-3": {Model: olmoe}}, Routers: router(3), Doc: grow}, "revision 9, serving 3 on 2, target 9 on 3", 4, "placement 9", ""},
		{"shrink: target without the highest", State{Members: members(1), Nodes: nodes(2, 3), Routers: router(3), Doc: serving2}, "revision 8, serving 3 on 2, target 8 on 1", 2, "placement 8", ""},
		{"shrink: pods stay until routers switch", State{Members: members(2), Nodes: nodes(3, 4), Routers: router(3), Doc: shrink}, "revision 8, serving 3 on 3, target 4 on 2", 3, "demo-router-a to switch", ""},
		{"shrink: pods go", State{Members: members(2), Nodes: nodes(3, 4), Routers: router(4), Doc: shrink}, "revision 9, serving 4 on 2, target -", 2, "no longer need", ""},
		{"slots", State{Members: members(2), SlotsPerNode: 3, Nodes: nodes(2, 0)}, "nothing", 2, "", "NotEnoughSlots: 8 experts"},
		{"slots, while serving", State{Members: members(1), SlotsPerNode: 4, Nodes: nodes(2, 3), Doc: serving2}, "revision 7, serving 3 on 2, target -", 2, "", "number of nodes to at least 2"},
		{"slots, and a node is lost", State{Members: members(1), SlotsPerNode: 6, Nodes: with(nodes(3, 3), "demo-experts-0", func(n *Node) { *n = Node{Lost: true} }), Routers: router(3), Doc: serving3}, "revision 8, serving 3 on 3, target 8 on 2", 3, "placement 8", "NotEnoughSlots: 8 experts"},
		{"slots, a node is lost, no room", State{Members: members(1), SlotsPerNode: 3, Nodes: with(nodes(3, 3), "demo-experts-0", func(n *Node) { *n = Node{Lost: true} }), Routers: router(3), Doc: serving3}, "revision 7, serving 3 on 3, target -", 3, "", "NotEnoughSlots: 8 experts"},
		{"slots, and a stuck pod", State{Members: members(3), SlotsPerNode: 3, Replicas: 1, Nodes: with(nodes(2, 3), "demo-experts-2", func(n *Node) { n.Stuck = true }), Doc: serving2}, "revision 7, serving 3 on 2, target -", 3, "more expert nodes", ""},
		{"two models at first", State{Members: members(2), Nodes: with(nodes(2, 0), "demo-experts-1", func(n *Node) { n.Model = other })}, "nothing", 2, "", "ModelMismatch: pod demo-experts-1 sees a checkpoint with fingerprint beef"},
		{"a router's model", State{Members: members(2), Nodes: nodes(2, 3), Routers: []Router{{Name: "r", Model: other}}, Doc: serving2}, "revision 7, serving 3 on 2, target -", 2, "", "ModelMismatch: pod r"},
		{"a new pod's model, and a node is lost", State{Members: members(3), Nodes: with(with(nodes(3, 3), "demo-experts-2", func(n *Node) { n.Model, n.ReadyEpoch = other, 0 }), "demo-experts-0", func(n *Node) { *n = Node{Lost: true} }), Routers: router(3), Doc: serving2}, "revision 8, serving 3 on 2, target 8 on 1", 3, "placement 8", "ModelMismatch: pod demo-experts-2"},
		{"a new pod's model, and the nodes are as wanted", State{Members: members(3), Nodes: with(nodes(3, 3), "demo-experts-2", func(n *Node) { n.Model, n.ReadyEpoch = other, 0 }), Routers: router(3), Doc: serving2}, "revision 7, serving 3 on 2, target -", 3, "", "ModelMismatch: pod demo-experts-2"},
		{"a new pod's model, all others are silent", State{Members: members(3), Nodes: map[string]Node{"demo-experts-2": {Model: other}}, Doc: serving2}, "revision 7, serving 3 on 2, target -", 3, "", "ModelMismatch: pod demo-experts-2"},
		{"a new pod's model, the target goes on", State{Members: members(4), Nodes: with(nodes(4, 4), "demo-experts-3", func(n *Node) { n.Model, n.ReadyEpoch = other, 0 }), Routers: router(4), Doc: grow}, "revision 9, serving 4 on 3, target -", 4, "no longer need", "ModelMismatch: pod demo-experts-3"},
		{"a new pod's model, the target is stuck", State{Members: members(4), Nodes: with(with(nodes(4, 3), "demo-experts-3", func(n *Node) { n.Model, n.ReadyEpoch = other, 0 }), "demo-experts-2", func(n *Node) { n.Stuck = true }), Routers: router(3), Doc: grow}, "revision 8, serving 3 on 2, target 4 on 3", 4, "to load", "ModelMismatch: pod demo-experts-3"},
		{"a placed pod's model", State{Members: members(2), Nodes: with(nodes(2, 3), "demo-experts-1", func(n *Node) { n.Model = other }), Routers: router(3), Doc: serving2}, "revision 7, serving 3 on 2, target -", 2, "", "ModelMismatch: pod demo-experts-1"},
		{"a router's model holds up no other", State{Members: members(3), Nodes: nodes(3, 4), Routers: append(router(4), Router{Name: "r", Model: other, Running: true}), Doc: grow}, "revision 9, serving 4 on 3, target -", 3, "no longer need", "ModelMismatch: pod r"},
		{"all moved to another model", State{Members: members(1), Nodes: map[string]Node{"demo-experts-0": {Model: other, ReadyEpoch: 3}}, Routers: []Router{{Name: "r", Model: other, Running: true, ServingEpoch: 3}}, Doc: serving2}, "revision 8, serving -, target 8 on 1", 1, "placement 8", ""},
		{"another model, a router is silent", State{Members: members(1), Nodes: map[string]Node{"demo-experts-0": {Model: other}}, Routers: []Router{{Name: "r", Running: true}}, Doc: serving2}, "revision 7, serving 3 on 2, target -", 2, "", "ModelMismatch"},
		{"record lost", State{Members: members(2), Nodes: map[string]Node{"demo-experts-0": {Model: olmoe, Revision: 40, ReadyEpoch: 9}, "demo-experts-1": {Model: olmoe}}, Routers: router(8)}, "revision 41, serving -, target 41 on 2", 2, "placement 41", ""},
		{"more replicas", State{Members: members(2), Replicas: 2, Nodes: nodes(2, 3), Routers: router(3), Doc: serving2}, "revision 8, serving 3 on 2, target 8 on 2", 2, "placement 8", ""},
	}
}

func TestDecide(t *testing.T) {
	for _, c := range decideCases(t) {
		t.Run(c.name, func(t *testing.T) {
			c.s.Replicas = max(c.s.Replicas, 1)
			d := Decide(c.s)
			if got := shape(d.Doc); got != c.doc {
				t.Errorf("document: %s, want %s", got, c.doc)
			}
			if d.Nodes != c.nodes {
				t.Errorf("%d nodes, want %d", d.Nodes, c.nodes)
			}
			if !strings.Contains(d.Waiting, c.waiting) || (c.waiting == "") != (d.Waiting == "") {
				t.Errorf("waiting for %q, want %q", d.Waiting, c.waiting)
			}
			problem := ""
			if d.Problem != nil {
				problem = d.Problem.Reason + ": " + d.Problem.Message
			}
			if !strings.Contains(problem, c.problem) || (c.problem == "") != (problem == "") {
				t.Errorf("problem %q, want %q", problem, c.problem)
			}
		})
	}
}

// TestAsWanted: what is in force counts, whatever is on its way.
func TestAsWanted(t *testing.T) {
	two := &placement.Document{Revision: 7, Model: "f00d", Serving: planned(t, 2, 3)}
	moves := &placement.Document{Revision: 8, Model: "f00d", Serving: planned(t, 2, 3), Target: planned(t, 2, 8)}
	cases := []struct {
		name string
		s    State
		want bool
	}{
		{"nothing", State{Members: members(2), Nodes: nodes(2, 0)}, false},
		{"first", State{Members: members(2), Nodes: nodes(2, 0), Doc: &placement.Document{Revision: 1, Model: "f00d", Target: planned(t, 2, 1)}}, false},
		{"rest", State{Members: members(2), Nodes: nodes(2, 3), Doc: two}, true},
		{"experts move by load", State{Members: members(2), Nodes: nodes(2, 3), Doc: moves}, true},
		{"grow", State{Members: members(3), Nodes: nodes(3, 3), Doc: two}, false},
		{"more replicas", State{Members: members(2), Replicas: 2, Nodes: nodes(2, 3), Doc: two}, false},
		{"more replicas while experts move", State{Members: members(2), Replicas: 2, Nodes: nodes(2, 3), Doc: moves}, false},
		{"fewer slots than in use", State{Members: members(2), SlotsPerNode: 3, Nodes: nodes(2, 3), Doc: two}, false},
	}
	for _, c := range cases {
		c.s.Replicas = max(c.s.Replicas, 1)
		if got := Decide(c.s).AsWanted; got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestOrdinal(t *testing.T) {
	for name, want := range map[string]int{"demo-experts-0": 0, "a-b-12": 12, "demo": -1, "demo-": -1, "": -1, "x--1": 1} {
		if got := Ordinal(name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
}
