package rollout

import (
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// somePool has come to rest, and then some of its nodes are lost, stuck, silent or new,
// and the spec wants others.
func somePool(r *rand.Rand) State {
	n := 2 + r.IntN(6)
	model := &Model{Fingerprint: "f00d", Layers: 2, Experts: 16}
	s := State{Members: members(n), Replicas: 1 + r.IntN(min(3, n)), Nodes: map[string]Node{}, Machines: map[string]string{},
		Routers: []Router{{Name: "r", Model: model, Running: true}}}
	if r.IntN(2) == 0 {
		s.SlotsPerNode = (model.Experts*s.Replicas+n-1)/n + r.IntN(5)
	}
	if r.IntN(3) > 0 {
		s.Loads = [][]float64{drawn(r, model.Experts), drawn(r, model.Experts)}
	}
	for _, m := range members(n + 3) {
		s.Nodes[m.Name] = Node{Model: model}
		if r.IntN(2) == 0 {
			s.Machines[m.Name] = string(rune('a' + r.IntN(3)))
		}
	}
	for d := Decide(s); d.Doc != s.Doc; d = Decide(s) {
		s.follow(d)
	}
	s.Members = members(max(s.Replicas, n+r.IntN(4)-1))
	for _, m := range members(n + 3) {
		switch r.IntN(8) {
		case 0:
			s.Nodes[m.Name] = Node{Lost: true}
		case 1:
			s.Nodes[m.Name] = Node{Stuck: true}
		case 2:
			s.Nodes[m.Name] = Node{} // it starts again, or does not answer
		}
	}
	return s
}

func drawn(r *rand.Rand, experts int) []float64 {
	loads := make([]float64, experts)
	for e := range loads {
		loads[e] = float64(1 + r.IntN(1000))
	}
	return loads
}

// What is published waits for pods: as long as they report nothing new, it is not
// published again under another number, and pods that obey bring it to rest.
func TestATargetIsPublishedOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	urgent := 0
	for i := range 400 {
		s := somePool(r)
		for range 8 {
			d := Decide(s)
			if d.Doc == s.Doc {
				break
			}
			if d.Doc.Urgent {
				urgent++
			}
			if s.Doc = d.Doc; d.Doc.Target != nil && Decide(s).Doc != s.Doc {
				t.Fatalf("pool %d: %s, and nothing has happened since %s", i, shape(Decide(s).Doc), shape(s.Doc))
			}
			s.follow(d)
		}
		if Decide(s).Doc != s.Doc {
			t.Fatalf("pool %d: no rest: %s", i, shape(Decide(s).Doc))
		}
	}
	if urgent < 40 {
		t.Errorf("only %d urgent targets", urgent)
	}
}

// A node is lost and calls wait, while another one restarts and a third has come: the
// urgent target is published once.
func TestAnUrgentTargetIsPublishedOnce(t *testing.T) {
	s := balancedPool(t, 4, 0, 1)
	s.Members = members(5)
	s.Nodes[s.Members[4].Name] = Node{Model: s.Routers[0].Model}
	s.Nodes[s.Members[0].Name], s.Nodes[s.Members[1].Name] = Node{Lost: true}, Node{}
	s.Doc = Decide(s).Doc
	if d := Decide(s); !s.Doc.Urgent || d.Doc != s.Doc || d.Waiting == "" {
		t.Errorf("%s, then %s, waiting for %q", shape(s.Doc), shape(d.Doc), d.Waiting)
	}
	var none *placement.Placement
	if s.Doc.Target.Same(s.Doc.Serving) || s.Doc.Target.Same(nil) || !none.Same(nil) {
		t.Error("Same")
	}
}
