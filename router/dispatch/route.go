package dispatch

import (
	"slices"
	"sync/atomic"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// route says who computes what, under one placement. It is immutable but for its
// count of calls: each change makes a new one, and a call reads it without locks.
type route struct {
	epoch    *epoch
	owners   [][]*node // [layer*experts+expert]: ready owners
	covered  int       // entries of owners that are not empty
	complete bool      // all of them are
}

// epoch counts the calls that use a placement, over all its routes, so that
// Status can tell when none does any more (invariant 3: nodes keep what an
// unfinished call may need).
type epoch struct {
	number    int64
	placement *placement.Placement // guarded by Dispatcher.mu
	calls     atomic.Int64
}

// newRoute builds the table of a placement from what its nodes hold now, as far as
// they have said. Only nodes that were ready for epoch since count: 0 for any.
// The caller holds Dispatcher.mu.
func (d *Dispatcher) newRoute(e *epoch, since int64) *route {
	p := e.placement
	r := &route{epoch: e, owners: make([][]*node, p.Layers*p.Experts)}
	for i := range p.Nodes {
		n := d.nodes[p.Nodes[i].Name]
		if n == nil || !n.ready() || n.readyEpoch < since {
			continue
		}
		for l, experts := range p.Nodes[i].Experts {
			for _, x := range experts {
				if n.held.Has(l, x) {
					r.owners[l*p.Experts+x] = append(r.owners[l*p.Experts+x], n)
				}
			}
		}
	}
	for _, o := range r.owners {
		if len(o) > 0 {
			r.covered++
		}
	}
	r.complete = r.covered == len(r.owners)
	return r
}

// silent counts the experts that have ready owners, none of which answers.
func (r *route) silent() (n int) {
	for _, owners := range r.owners {
		if len(owners) > 0 && !slices.ContainsFunc(owners, func(o *node) bool { return !o.isSilent() }) {
			n++
		}
	}
	return n
}
