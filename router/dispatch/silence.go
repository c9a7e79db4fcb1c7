package dispatch

import (
	"context"
	"sync"
	"time"
)

// This file is about an only owner that says nothing. Nobody else can answer, so the
// router can only tell; whoever hears it finds out whether the node lives, and gives
// its experts another owner (ADR 0097).

const (
	// silentLates: a node counts as silent after so many times the time after which the
	// request that it owes is late: ten 95th percentiles, or fifty medians.
	silentLates = 5
	// silentLeast is the least time for that: the scheduler of a busy machine holds up a
	// process for as long now and then.
	silentLeast = 300 * time.Millisecond
	// silentMost is the most: no batch takes as long, and each is answered by itself.
	silentMost = 2 * time.Second
)

// silentAfter is how long a node may say nothing at all while it owes an answer to a
// request of so many pairs.
func (d *Dispatcher) silentAfter(pairs int) time.Duration {
	return min(max(silentLates*d.lateAfter(pairs), silentLeast), silentMost)
}

// mayBeSilent notes that the node of a late request is silent, or when to look again.
// Any frame shows that it lives: a node that has much to do answers others meanwhile.
func (c *call) mayBeSilent(s *shard, now time.Time) {
	heard, since := s.node.heard.get(), s.sent
	if heard.After(since) {
		since = heard
	}
	if at := since.Add(c.d.silentAfter(len(s.slots))); now.Before(at) {
		s.check = earlier(s.check, at)
		return
	}
	if s.node.silent.swap(heard).Equal(heard) {
		return // as was known
	}
	c.d.opts.Log.Info("expert node does not answer", "node", s.node.name, "layer", c.layer, "pairs", len(s.slots), "for", now.Sub(since).String())
	c.d.silence.ring()
}

// isSilent says whether nothing was heard since the node was found silent. It compares two
// times: a mark could be set just after the frame that should have cleared it.
func (n *node) isSilent() bool {
	at := n.silent.get()
	return !at.Equal(begun) && at.Equal(n.heard.get())
}

// lives notes a sign of life.
func (n *node) lives(now time.Time) { n.heard.set(now) }

// Silent are the nodes, by name, that owe answers which no other owner can give, for
// far longer than answers take, and that have said nothing meanwhile. They may be
// dead, cut off, or stopped.
func (d *Dispatcher) Silent() (names []string) {
	for _, n := range d.Status().Nodes {
		if n.Ready && n.Silent {
			names = append(names, n.Name)
		}
	}
	return names
}

// AwaitSilence returns when there is a silent node, or when ctx ends.
func (d *Dispatcher) AwaitSilence(ctx context.Context) {
	for {
		rung := d.silence.wait()
		if len(d.Silent()) > 0 {
			return
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return
		}
	}
}

// bell wakes all that wait for it. The zero value is ready.
type bell struct {
	mu   sync.Mutex
	rung chan struct{} // closed by the next ring; nil: nobody waits
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}
