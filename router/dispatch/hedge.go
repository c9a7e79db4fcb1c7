package dispatch

import (
	"slices"
	"sync/atomic"
	"time"
)

// This file is hedging: a request that is late is sent to other owners as well,
// and whichever answer comes first is used. Answers are the same to the bit
// (invariant 1), so nothing has to be compared or taken back.

const (
	// hedgeShare: one hedge for so many answers, so that nodes which are slow
	// because there is too much work are not given 5 % more of it.
	hedgeShare = 20
	// hedgeBurst hedges may come at once: all requests that a frozen node holds.
	hedgeBurst = 16
	// hedgeLates: a request that waits for so many times its lateness, or for
	// hedgeAnyway, is hedged without a budget. Without this, a pool that waits for one
	// frozen node has no answers and earns no hedges. Where all nodes are slow, lateness
	// rises with them within paceRefresh answers, so that few requests wait so long.
	hedgeLates  = 3
	hedgeAnyway = 500 * time.Millisecond
	// recheck: a request that stays late is looked at again, for owners may have
	// come since, in this placement or the next.
	recheck = 50 * time.Millisecond
	// A node that lost to a hedge ranks last for demoteFirst, and twice as long
	// each time until it answers in time; then the next call tries it again.
	demoteFirst = time.Second
	demoteMost  = 30 * time.Second
)

// hedges is the budget; the unit is 1/hedgeShare of a hedge.
type hedges struct{ spent atomic.Int64 }

func (h *hedges) answered() {
	if h.spent.Load() > 0 {
		h.spent.Add(-1)
	}
}

func (h *hedges) take() bool {
	if h.spent.Load() >= hedgeBurst*hedgeShare {
		return false
	}
	h.spent.Add(hedgeShare)
	return true
}

// giveBack is for a hedge that was taken and not sent.
func (h *hedges) giveBack() { h.spent.Add(-hedgeShare) }

// lateAfter is when a request of so many pairs counts as late.
func (d *Dispatcher) lateAfter(pairs int) time.Duration {
	if late := d.pace.late(pairs); late > 0 {
		return min(late, d.opts.RequestTimeout)
	}
	return d.opts.RequestTimeout
}

// hedgedAnyway is when a request of so many pairs is hedged although the budget is spent.
func (d *Dispatcher) hedgedAnyway(pairs int) time.Duration {
	return min(hedgeLates*d.lateAfter(pairs), hedgeAnyway)
}

// overdue sends a late request's pairs to other owners too, where there are any.
// The node keeps the request: if it is the only owner, asking twice would only
// add load, and if it is merely slow its answer may still be the first.
func (c *call) overdue(s *shard, now time.Time) {
	before := len(c.todo)
	first := !s.hedged
	r := c.d.route.Load()
	for i, slot := range s.slots {
		if (first && c.carriers[slot] > 0 || c.carriers[slot] == 1) && c.elsewhere(r, s.node, s.experts[i]) {
			c.todo = append(c.todo, slot)
		}
	}
	if len(c.todo) == before {
		c.mayBeSilent(s, now)
		return
	}
	paid := c.d.hedges.take()
	if anyway := s.sent.Add(c.d.hedgedAnyway(len(s.slots))); !paid && now.Before(anyway) {
		c.todo = c.todo[:before]
		s.check = earlier(s.check, anyway)
		return
	}
	if !s.lane.lags(s) { // its answer has just come
		c.todo = c.todo[:before]
		if paid {
			c.d.hedges.giveBack()
		}
		return
	}
	s.hedged, c.hedging = true, true
	c.d.metrics.retry(errTimeout)
	c.d.opts.Log.V(1).Info("hedge", "node", s.node.name, "layer", c.layer, "pairs", len(c.todo)-before, "after", now.Sub(s.sent).String())
}

// elsewhere reports whether an expert has a ready owner besides n.
func (c *call) elsewhere(r *route, n *node, expert uint16) bool {
	for _, o := range r.owners[c.layer*c.d.opts.Experts+int(expert)] {
		if o != n && !c.avoids(o, expert) {
			return true
		}
	}
	return false
}

// owes reports whether a node is late with this expert. The call does not ask the node for
// it again, which would bring nothing sooner, and for other experts only as a last resort.
func (c *call) owes(n *node, expert uint16) bool {
	return c.hedging && slices.ContainsFunc(c.inflight, func(s *shard) bool {
		return s.hedged && s.node == n && slices.Contains(s.experts, expert)
	})
}

// settle drops hedged requests that others have answered; their nodes rank last
// for a while.
func (c *call) settle(now time.Time) {
	if !c.hedging {
		return
	}
	for i := len(c.inflight) - 1; i >= 0; i-- { // recycle moves the last one, which was looked at, into a gap
		s := c.inflight[i]
		if !s.hedged || !c.answeredAll(s) {
			continue
		}
		if s.lane.detach(s) { // else its answer is in the box, where note counts it
			c.wasLate(s, now)
			c.recycle(s)
		}
	}
}

// wasLate notes that others have answered all of a hedged request before its node.
func (c *call) wasLate(s *shard, now time.Time) {
	s.node.demote(now)
	c.d.metrics.hedgeWon.Inc()
}

func (c *call) answeredAll(s *shard) bool {
	for _, slot := range s.slots {
		if c.carriers[slot] != answered {
			return false
		}
	}
	return true
}

// demote ranks the node behind every other owner, for longer each time.
func (n *node) demote(now time.Time) {
	times := min(n.losses.Add(1)-1, 10)
	n.demoted.set(now.Add(min(demoteFirst<<times, demoteMost)))
}

// punctual notes an answer that came in time.
func (n *node) punctual(now time.Time) {
	if n.losses.Load() > 0 && n.rank(now) == 0 {
		n.losses.Store(0)
	}
}

// Ranks, in pairs: far more than a node ever has to compute.
const (
	demotedRank = 1 << 40 // of late it was late, or answered that it or the request is at fault
	laggingRank = 2 << 40 // it is late now, and may never answer
)

// rank puts nodes that were late behind all others, and nodes that still owe an answer
// behind those: on a busy machine any node is late now and then, and a frozen one must not
// be chosen before it.
func (n *node) rank(now time.Time) int64 {
	switch {
	case n.lagging.Load() || n.isSilent():
		return laggingRank
	case now.Before(n.demoted.get()):
		return demotedRank
	}
	return 0
}
