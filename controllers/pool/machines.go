package pool

import (
	"maps"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// locate notes since when the expert nodes run where they do.
func (v *view) locate() {
	if on, m := v.pods.machines(), v.memory; m.machines == nil || !maps.Equal(on, m.machines) {
		m.machines, m.located = on, v.now
	}
}

// stand says whether the pods are all there and have not moved for as long as a lost
// one would be waited for. Copies do not part before: pods that restart one by one may
// change machines each time, and every move would load experts.
func (v *view) stand() bool {
	return v.now.Sub(v.memory.located) >= v.wanted.restoreAfter() && v.missing() == ""
}

// crowded counts the experts whose copies run on fewer machines than they should.
func (v *view) crowded() int {
	p := current(v.decision.Doc)
	if p == nil {
		return 0
	}
	r := placement.Request{
		Layers: p.Layers, Experts: p.Experts, Nodes: p.Nodes, Domains: v.pods.machines(),
		Replicas: min(v.wanted.copies(), len(p.Nodes)), SlotsPerNode: v.wanted.slots(),
	}
	return r.Crowded(p)
}
