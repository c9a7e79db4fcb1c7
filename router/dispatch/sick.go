package dispatch

import (
	"fmt"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// This file is about nodes that call a request wrong. Either the router is wrong, then
// every node says so, or the node is: what one node says must not fail a call that
// another owner can answer (invariant 2).

// calledBad handles BadRequest. The pairs go to another owner, once (invariant 8). The
// call fails if that one says the same, or if there is none.
func (c *call) calledBad(s *shard, f *wire.Failure) error {
	r := c.d.route.Load()
	for i, slot := range s.slots {
		if c.carriers[slot] == answered {
			continue
		}
		first := c.bad[slot]
		alone := c.carriers[slot] == 1 && !c.otherOwner(r, s.node, s.experts[i])
		if alone || first != nil && first != s.node {
			return fmt.Errorf("expert node %s: %w", s.node.name, f)
		}
		if c.bad == nil {
			c.bad = map[int32]*node{}
		}
		c.bad[slot] = s.node
	}
	now := time.Now()
	if s.node.rank(now) == 0 { // else it is known
		c.d.opts.Log.Info("expert node calls a request wrong; another owner is asked", "node", s.node.name, "layer", c.layer, "why", f.Message)
	}
	s.node.demote(now)
	c.retry(s, f, brokenPause)
	return nil
}

// otherOwner reports whether an expert has a ready owner besides n, be it one that this
// call avoids for now: the call waits for that.
func (c *call) otherOwner(r *route, n *node, expert uint16) bool {
	for _, o := range r.owners[c.layer*c.d.opts.Experts+int(expert)] {
		if o != n {
			return true
		}
	}
	return false
}
