package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

const (
	// fullPause before a node whose queue was full is asked again: a few requests' time.
	fullPause = 20 * time.Millisecond
	// brokenPause before a node that cannot compute is asked again; it is about to exit.
	brokenPause = 500 * time.Millisecond
)

var (
	errLaneFull = errors.New("no lane of the node takes requests")
	errTimeout  = errors.New("no answer in time; another owner is asked too")
)

// avoided is a node that has failed this call, which does not use it for a while.
type avoided struct {
	node  *node
	until time.Time
}

// avoids reports whether a node is not to be asked for an expert now.
func (c *call) avoids(n *node, expert uint16) bool {
	return slices.ContainsFunc(c.avoid, func(a avoided) bool { return a.node == n }) || c.owes(n, expert)
}

// retry puts those pairs of a request back that nobody else has answered or is
// computing, to be sent elsewhere, or to the same node after a pause.
func (c *call) retry(s *shard, why error, pause time.Duration) {
	for _, slot := range s.slots {
		if c.carriers[slot] == answered {
			continue
		}
		c.carriers[slot]--
		if c.carriers[slot] == 0 {
			c.todo = append(c.todo, slot)
		}
	}
	slices.Sort(c.todo) // rows in order, so that each is listed once in the next request
	c.avoid = append(c.avoid, avoided{s.node, time.Now().Add(pause)})
	c.d.metrics.retry(why)
	c.d.opts.Log.V(1).Info("retry", "node", s.node.name, "layer", c.layer, "pairs", len(s.slots), "why", why.Error())
}

// refused handles an Error frame.
func (c *call) refused(s *shard) error {
	f, err := s.reply.Failure()
	if err != nil {
		c.retry(s, err, brokenPause)
		return nil
	}
	switch f.Code {
	case wire.BadRequest:
		return c.calledBad(s, f)
	case wire.Broken:
		s.node.demote(time.Now()) // it stays so until another process takes its place, which ranks as any
		c.retry(s, f, brokenPause)
	default: // NotHeld, Draining: an Update is on its way, and it holds others; Overloaded: room soon
		c.retry(s, f, fullPause)
	}
	return nil
}

// deadline is the next moment at which expire has something to do.
func (c *call) deadline() time.Time {
	t := c.since.Add(c.d.opts.MaxWait)
	for _, s := range c.inflight {
		t = earlier(t, s.check)
	}
	if len(c.todo) > 0 {
		for _, a := range c.avoid {
			t = earlier(t, a.until)
		}
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// expire lets the time pass: it forgives nodes, asks others where one is late, and
// gives up in the end.
func (c *call) expire(now time.Time) error {
	c.avoid = slices.DeleteFunc(c.avoid, func(a avoided) bool { return !a.until.After(now) })
	if waited := now.Sub(c.since); waited >= c.d.opts.MaxWait {
		return c.notReady(waited)
	}
	for _, s := range c.inflight {
		if !s.check.After(now) {
			s.check = now.Add(recheck)
			c.overdue(s, now)
		}
	}
	slices.Sort(c.todo) // rows in order, so that each is listed once in the next request
	return nil
}

// notReady says which pairs waited, and what the first one's owners are doing.
func (c *call) notReady(waited time.Duration) error {
	first := slices.IndexFunc(c.carriers, func(n int8) bool { return n != answered })
	e := int(c.ids[first])
	return &NotReadyError{Layer: c.layer, Expert: e, Missing: c.left, Waited: waited,
		Owners: c.d.describeOwners(c.layer, e)}
}

// describeOwners lists the nodes that the placement gives an expert to, and what
// is wrong with each.
func (d *Dispatcher) describeOwners(layer, expert int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.epochs) == 0 {
		return "none: no placement yet"
	}
	var list []string
	p := d.epochs[len(d.epochs)-1].placement
	for i := range p.Nodes {
		if !slices.Contains(p.Nodes[i].Experts[layer], expert) {
			continue
		}
		name := p.Nodes[i].Name
		if n := d.nodes[name]; n != nil {
			name += " (" + n.state(layer, expert) + ")"
		}
		list = append(list, name)
	}
	if list == nil {
		return fmt.Sprintf("none in placement epoch %d", p.Epoch)
	}
	return strings.Join(list, ", ")
}

// state says what keeps a node from computing an expert. The caller holds d.mu.
func (n *node) state(layer, expert int) string {
	switch {
	case n.up == 0:
		return "not connected: " + n.problem
	case n.draining:
		return "shutting down"
	case !n.held.Has(layer, expert):
		return "has not loaded it"
	}
	return "ready, but does not answer"
}
