package pool

import (
	"maps"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// located is what the expert nodes run on, by pod, and since when.
type located struct {
	on    map[string]string
	since time.Time
}

// note notes what they run on now.
func (l *located) note(on map[string]string, now time.Time) {
	if l.on == nil || !maps.Equal(on, l.on) {
		l.on, l.since = on, now
	}
}

// stand says whether the nodes have not moved for as long as a lost one would be waited
// for. Copies do not part before: pods that restart one by one may change machines each
// time, and every move would load experts.
func (l *located) stand(patience time.Duration, now time.Time) bool {
	return now.Sub(l.since) >= patience
}

// crowded counts the experts whose copies run on fewer machines than they should.
func crowded(p *placement.Placement, w wanted, machines map[string]string) int {
	if p == nil {
		return 0
	}
	r := planner.Request{
		Layers: p.Layers, Experts: p.Experts, Nodes: p.Nodes, Domains: machines,
		Replicas: min(w.copies(), len(p.Nodes)), SlotsPerNode: w.slots(),
	}
	return r.Crowded(p)
}
