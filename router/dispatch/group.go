package dispatch

import (
	"cmp"
	"slices"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// launch sends as many outstanding pairs as have an owner. If some have none it
// makes sure that the call is nudged when the route changes.
func (c *call) launch() {
	for len(c.todo) > 0 {
		r := c.currentRoute()
		if r != nil {
			c.group(r)
			c.sendAll(r)
		}
		if len(c.todo) == 0 || c.waiting && c.d.route.Load() == r {
			break
		}
		if !c.waiting { // and look again: the route may have changed in between
			c.d.wait(c)
			c.waiting = true
		}
	}
	c.noteBlocked()
}

// noteBlocked keeps account of the time that pairs have been without an owner.
func (c *call) noteBlocked() {
	switch blocked := len(c.todo) > 0; {
	case blocked && c.blocked.IsZero():
		c.blocked = time.Now()
		c.d.metrics.waiting.Add(1)
	case !blocked && !c.blocked.IsZero():
		c.d.metrics.waited(time.Since(c.blocked))
		c.blocked = time.Time{}
	}
	if len(c.todo) == 0 && c.waiting {
		c.d.unwait(c)
		c.waiting = false
	}
}

// currentRoute is the newest table of the call's epoch. If the epoch has changed
// while pairs are outstanding, the call starts over under the new one: a token
// in a layer uses one epoch (invariant 3), and owners under the old one may be gone.
func (c *call) currentRoute() *route {
	for {
		if c.epoch == nil {
			c.epoch = c.d.enter()
		}
		r := c.d.route.Load()
		if r == nil || r.epoch == c.epoch {
			return r
		}
		c.abandon()
		c.everything()
	}
}

// group puts each outstanding pair into a request to an owner; pairs without one
// stay. A row is listed once per request, and an expert's rows stay together, so
// that its weights are read once.
func (c *call) group(r *route) {
	c.now = time.Now()
	c.choose(r)
	rest := c.todo[:0]
	for _, slot := range c.todo {
		e := c.ids[slot]
		s := c.assign[e]
		if s == nil || c.d.full(s) {
			if s = c.shardFor(c.owner(r, int(e))); s == nil {
				if c.carriers[slot] == 0 { // else it was to be hedged: it is looked at again
					rest = append(rest, slot)
				}
				continue
			}
			c.assign[e] = s
		}
		s.add(slot, slot/int32(c.k), uint16(e))
	}
	c.todo = rest
}

// choose gives experts with several owners to one of them, those with most pairs
// first, as what is small evens out what is left (Graham's longest processing time
// first); experts with one owner have no choice and come before them.
func (c *call) choose(r *route) {
	clear(c.assign)
	clear(c.pairs)
	for _, slot := range c.todo {
		c.pairs[c.ids[slot]]++
	}
	c.order = c.order[:0]
	for e, n := range c.pairs {
		if n > 0 {
			c.order = append(c.order, int32(e)) //nolint:gosec // below the number of experts
		}
	}
	owners := r.owners[c.layer*c.d.opts.Experts:]
	slices.SortFunc(c.order, func(a, b int32) int {
		return cmp.Or(min(len(owners[a]), 2)-min(len(owners[b]), 2), c.pairs[b]-c.pairs[a], int(a-b))
	})
	for _, e := range c.order {
		if s := c.shardFor(c.owner(r, int(e))); s != nil {
			c.assign[e] = s
			s.planned += c.pairs[e]
		}
	}
}

func (d *Dispatcher) full(s *shard) bool {
	return len(s.rows) >= d.maxRows || len(s.slots) >= d.maxPairs
}

func (s *shard) add(slot, row int32, expert uint16) {
	if n := len(s.rows); n == 0 || s.rows[n-1] != row {
		s.rows, s.counts = append(s.rows, row), append(s.counts, 0)
	}
	s.counts[len(s.counts)-1]++
	s.experts, s.slots = append(s.experts, expert), append(s.slots, slot)
}

// owner is the ready owner with the fewest pairs to compute; nil if there is none.
func (c *call) owner(r *route, expert int) *node {
	var best *node
	var least int64
	for _, n := range r.owners[c.layer*c.d.opts.Experts+expert] {
		if c.avoids(n, uint16(expert)) { //nolint:gosec // below the number of experts
			continue
		}
		load := n.inflight.Load() + n.rank(c.now)
		for _, s := range c.building {
			if s.node == n {
				load += int64(max(s.planned, len(s.slots)))
			}
		}
		if best == nil || load < least {
			best, least = n, load
		}
	}
	return best
}

// shardFor finds the request to a node that has room, or starts one.
func (c *call) shardFor(n *node) *shard {
	if n == nil {
		return nil
	}
	for _, s := range c.building {
		if s.node == n && !c.d.full(s) {
			return s
		}
	}
	var s *shard
	if last := len(c.free) - 1; last >= 0 {
		s, c.free = c.free[last], c.free[:last]
	} else {
		s = &shard{call: c}
	}
	s.node = n
	c.building = append(c.building, s)
	return s
}

// sendAll sends what group built.
func (c *call) sendAll(r *route) {
	for _, s := range c.building {
		c.inflight = append(c.inflight, s)
		for _, slot := range s.slots {
			c.carriers[slot]++
		}
		s.id, s.lane = c.d.lastID.Add(1), s.node.lane()
		s.sent, s.check = c.now, c.now.Add(c.d.lateAfter(len(s.slots)))
		if s.lane == nil || !c.send(s, r.epoch.number) {
			if s.lane != nil { // it owes too much, to calls that have gone on: none looks at it
				s.sent = c.since
				c.mayBeSilent(s, c.now)
			}
			c.retry(s, errLaneFull, fullPause)
			c.recycle(s)
		}
	}
	clear(c.building)
	c.building = c.building[:0]
}

func (c *call) send(s *shard, epoch int64) bool {
	id := wire.RequestID{Call: s.id, Epoch: epoch, Layer: c.layer}
	o := wire.NewRequest(id, c.d.opts.Hidden, c.d.opts.Rows, s.counts, s.experts, c.x, s.rows)
	if !s.lane.send(s, o) {
		o.Free()
		return false
	}
	return true
}

// fits reports whether a response has the request's sizes.
func (s *shard) fits(in *wire.In) bool {
	return in.Pairs == len(s.slots) && in.Rows == len(s.rows) && in.Hidden == s.call.d.opts.Hidden && in.Layer == s.call.layer
}
