package dispatch

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// A node that was late of late is asked before one that does not answer now.
func TestAFrozenNodeRanksBehindADemotedOne(t *testing.T) {
	d, a, b, w := pair(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	var frozen atomic.Int64
	a.breaks(func(*fakeStream, *wire.In) bool { frozen.Add(1); <-release; return false })
	begun := b.requests.Load()
	for range 20 {
		d.nodes["b"].demoted.set(time.Now().Add(time.Hour))
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
	if n := frozen.Load(); n != 1 {
		t.Errorf("the frozen node was asked %d times, want once", n)
	}
	if n := b.requests.Load() - begun; n != 20 {
		t.Errorf("the demoted node was asked %d times, want 20", n)
	}
}

func TestDemotionGrowsAndEnds(t *testing.T) {
	n, now := &node{}, time.Unix(1000, 0)
	for i, want := range []int{1, 2, 4, 8, 16, 30, 30} {
		n.demote(now)
		if end := now.Add(time.Duration(want) * time.Second); n.rank(end.Add(-1)) != demotedRank || n.rank(end) != 0 {
			t.Errorf("demotion %d does not last %d s", i, want)
		}
	}
	n.punctual(now)
	if n.losses.Load() == 0 {
		t.Error("an answer while the node is demoted counts as punctual")
	}
	n.punctual(now.Add(time.Minute))
	n.demote(now)
	if n.rank(now.Add(demoteFirst)) != 0 {
		t.Error("a punctual answer does not make the next demotion short again")
	}
}

// begin starts a Do by hand: its requests are sent, and nobody waits for them.
func (t *task) begin(d *Dispatcher) *call {
	c := newCall(d)
	c.layer, c.k, c.x, c.ids, c.out = t.layer, len(t.ids)/t.rows, t.x, t.ids, make([]float32, len(t.want))
	c.since = time.Now()
	c.everything()
	c.launch()
	return c
}

// delivered counts the answers that a call has not read.
func (c *call) delivered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.box)
}

// An answer that has come when its request is found late has been in time: nothing
// would tell again that the node owes nothing.
func TestAnAnswerThatHasComeIsNotLate(t *testing.T) {
	d, _, _, w := pair(t)
	c := w.begin(d)
	defer c.reset()
	await(t, "both nodes have answered", func() bool { return c.delivered() == 2 })
	d.hedges.spent.Store(hedgeShare)
	if err := c.expire(time.Now().Add(d.opts.RequestTimeout)); err != nil {
		t.Fatal(err)
	}
	for name, n := range d.nodes {
		if n.rank(time.Now()) != 0 {
			t.Errorf("%s has answered and ranks last", name)
		}
	}
	if hedged := testutil.ToFloat64(d.metrics.retries.WithLabelValues("Timeout")); hedged != 0 || len(c.todo) != 0 {
		t.Errorf("%v hedges, %d pairs are to be sent again", hedged, len(c.todo))
	}
	if spent := d.hedges.spent.Load(); spent != hedgeShare {
		t.Errorf("%d are spent of the budget, want the %d of before", spent, hedgeShare)
	}
	if err := c.run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// An answer that is there when a call's patience ends is used.
func TestAnAnswerThatHasComeIsUsed(t *testing.T) {
	d, _, _, w := pair(t)
	for range 20 {
		c := w.begin(d)
		await(t, "both nodes have answered", func() bool { return c.delivered() == 2 })
		c.since = c.since.Add(-d.opts.MaxWait)
		if err := c.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		c.reset()
	}
}

// What a process has lost, the one that takes its place has not.
func TestANewProcessRanksAsAnyOther(t *testing.T) {
	d := router(t, nil)
	n, now := &node{d: d, name: "a"}, time.Now()
	says := func(instance uint64) {
		t.Helper()
		a := &wire.Announce{Instance: instance, Hidden: small.hidden, Name: "a", Fingerprint: "f00d",
			Held: wire.NewBitmap(small.layers, small.experts)}
		if err := n.announced(a, true); err != nil {
			t.Fatal(err)
		}
	}
	says(1)
	for range 6 {
		n.demote(now)
	}
	says(1)
	if n.rank(now) != demotedRank {
		t.Error("a new connection to the same process makes it rank as before")
	}
	says(2)
	if n.rank(now) != 0 || n.losses.Load() != 0 {
		t.Errorf("a new process has rank %d and %d losses", n.rank(now), n.losses.Load())
	}
}
