package planner

import (
	"encoding/json"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// TestTheLargestPoolIsPublishable: whatever slotsPerNode says, two placements of OLMoE's
// 16 x 64 experts on 256 nodes fit into the MiB of a ConfigMap.
func TestTheLargestPoolIsPublishable(t *testing.T) {
	loads := make([][]float64, 16)
	for l := range loads {
		for e := range 64 {
			loads[l] = append(loads[l], float64(10+(e*37+l*11)%64))
		}
	}
	r := Request{Layers: 16, Experts: 64, Nodes: nodes(256), Replicas: 1, SlotsPerNode: 64, Loads: loads}
	for i := range r.Nodes {
		r.Nodes[i].Address = "a-name-of-forty-characters-and-no-shorter-experts-255.a-name-of-forty-characters-and-no-shorter-experts.a-namespace.svc:7070"
	}
	p := mustPlan(t, r)
	checkPlan(t, r, p)
	raw, err := json.Marshal(p)
	if err != nil || 2*len(raw) > 1<<20 {
		t.Errorf("a placement of %d bytes, %v; half a MiB is room for it", len(raw), err)
	}
	if sum(p.Copies(0)) != 64*maxCopies {
		t.Errorf("%d copies in a layer, want %d", sum(p.Copies(0)), 64*maxCopies)
	}
	t.Logf("%d bytes", len(raw))
}

// TestMoreCopiesThanAPlanMakesStay: what nodes hold within SlotsPerNode is no reason to plan,
// and a plan for another reason takes none of it away.
func TestMoreCopiesThanAPlanMakesStay(t *testing.T) {
	r := Request{Layers: 1, Experts: 64, Nodes: nodes(200), Replicas: 1, SlotsPerNode: 48}
	p := &placement.Placement{Epoch: 1, Layers: 1, Experts: 64}
	for i, n := range r.Nodes {
		held := make([]int, 0, 48)
		for e := range 64 {
			if (e+i)%64 < 48 {
				held = append(held, e)
			}
		}
		p.Nodes = append(p.Nodes, placement.Node{Name: n.Name, Address: n.Address, Experts: [][]int{held}})
	}
	if err := p.Validate(); err != nil || !r.Satisfied(p) {
		t.Errorf("48 of 48 slots on 200 nodes are not what is wanted (%v)", err)
	}
	loads := make([]float64, 64)
	for e := range loads {
		loads[e] = float64(100 + e)
	}
	r.Nodes, r.Current, r.Epoch, r.Loads, r.MinGain = nodes(201), p, 2, [][]float64{loads}, 0.002
	next := mustPlan(t, r)
	if before, after := sum(p.Copies(0)), sum(next.Copies(0)); after < before {
		t.Errorf("%d copies, %d after a node more", before, after)
	}
	r.SlotsPerNode = 40
	if r.Satisfied(p) {
		t.Error("48 experts on a node are more than 40 slots")
	}
}
