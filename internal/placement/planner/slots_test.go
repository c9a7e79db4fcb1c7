package planner

import (
	"encoding/json"
	"testing"
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
