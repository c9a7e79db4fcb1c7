package dispatch

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// Before the first placement nothing is served, and that is said.
func TestStatusBeforeAPlacement(t *testing.T) {
	s := router(t, nil).Status()
	if s.ServingEpoch != 0 || s.ReadyEpoch != 0 || s.Covered != 0 || s.Ready() || s.Problem != "no placement yet" {
		t.Errorf("%+v", s)
	}
	if (&Status{}).Ready() {
		t.Error("a router that knows of no expert is ready")
	}
}

// series reads the first series of a family that has counted anything.
func series(t *testing.T, reg *prometheus.Registry, name string) (label string, count int) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			n := int(m.GetCounter().GetValue()) + int(m.GetHistogram().GetSampleCount())
			if f.GetName() != name || n == 0 {
				continue
			}
			if labels := m.GetLabel(); len(labels) > 0 {
				label = labels[0].GetValue()
			}
			return label, n
		}
	}
	return "", 0
}

// A call that waited in vain is counted, and leaves nothing behind.
func TestNobodyWaitsAfterACall(t *testing.T) {
	reg := prometheus.NewRegistry()
	d := router(t, func(o *Options) { o.MaxWait, o.Metrics = time.Millisecond, reg })
	var notReady *NotReadyError
	if err := newTask(small, 0, 1, 2).do(t.Context(), d); !errors.As(err, &notReady) {
		t.Errorf("error %v", err)
	}
	if waiting := d.metrics.waiting.Load(); len(d.waiters) != 0 || waiting != 0 || d.metrics.calls.Load() != 0 {
		t.Errorf("%d calls wait for a route, %d are counted", len(d.waiters), waiting)
	}
	if _, waits := series(t, reg, "olmoe_dispatch_wait_seconds"); waits != 1 {
		t.Errorf("%d waits are counted, want 1", waits)
	}
}

// Placements that no call uses any more are let go.
func TestOldEpochsAreLetGo(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	d := router(t, nil)
	for epoch := int64(1); epoch <= 10; epoch++ {
		d.Apply(place(small, epoch, a))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.epochs); n > 2 {
		t.Errorf("%d placements are kept, want the last and the one before it", n)
	}
}

// A node that becomes another one under its stream is refused, as one that was so from
// the beginning.
func TestUpdateOfAnotherModelIsRefused(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	d := router(t, nil)
	d.Apply(place(small, 1, a))
	await(t, "the node is ready", func() bool { return ready(d) })
	a.change(func() { a.fingerprint = "beef" })
	await(t, "it is refused", func() bool {
		n := d.Status().Nodes[0]
		return !n.Ready && strings.Contains(n.Problem, "fingerprint beef")
	})
}

// Of a request that failed, pairs that another has answered, or still carries, are not
// asked for again.
func TestOnlyWhatNobodyCarriesIsAskedAgain(t *testing.T) {
	d := router(t, nil)
	c := newCall(d)
	c.carriers = []int8{answered, 1, 2}
	c.retry(&shard{call: c, node: &node{d: d, name: "a"}, slots: []int32{2, 1, 0}}, errTimeout, time.Second)
	if !slices.Equal(c.todo, []int32{1}) || !slices.Equal(c.carriers, []int8{answered, 0, 1}) {
		t.Errorf("asked again: pairs %v; carriers %v", c.todo, c.carriers)
	}
}

// Hedges may come in a burst; after it there is one for so many answers. One that was not
// sent costs nothing.
func TestBudgetOfHedges(t *testing.T) {
	var h hedges
	for i := range hedgeBurst {
		if !h.take() {
			t.Fatalf("hedge %d of a burst of %d is refused", i+1, hedgeBurst)
		}
	}
	if h.take() {
		t.Errorf("a burst of more than %d", hedgeBurst)
	}
	taken := 0
	for range 10 * hedgeShare {
		h.answered()
		if h.take() {
			taken++
		}
	}
	if taken != 10 {
		t.Errorf("%d hedges for %d answers, want 10", taken, 10*hedgeShare)
	}
	h = hedges{}
	for range 10 * hedgeBurst {
		if !h.take() {
			t.Fatal("hedges that were given back are used up")
		}
		h.giveBack()
	}
}

// A single pair that was refused is asked for again after the pause, not at the end of
// all patience.
func TestOnePairIsAskedAgain(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	var refused atomic.Bool
	a.fault = func(s *fakeStream, in *wire.In) bool {
		if !refused.CompareAndSwap(false, true) {
			return false
		}
		_ = s.send(wire.NewError(in.Call, &wire.Failure{Code: wire.Overloaded}))
		return true
	}
	d := router(t, nil)
	d.Apply(place(small, 1, a))
	if err := newTask(small, 0, 1, 5).do(t.Context(), d); err != nil || !refused.Load() {
		t.Errorf("refused %v, error %v", refused.Load(), err)
	}
}

// A node that the placement no longer names is let go once its answers have come: they
// are not asked for elsewhere.
func TestANodeThatLeavesMayAnswer(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	release := make(chan struct{})
	a.fault = func(*fakeStream, *wire.In) bool { <-release; return false }
	d := router(t, nil)
	d.Apply(place(small, 1, a))
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 1, 0).do(t.Context(), d) }()
	await(t, "a works", func() bool { return a.requests.Load() == 1 })
	d.mu.Lock()
	left := d.nodes["a"]
	d.mu.Unlock()
	d.Apply(place(small, 2, b))
	await(t, "b is ready", func() bool { return ready(d) })
	close(release)
	if err := <-done; err != nil || b.requests.Load() != 0 {
		t.Errorf("error %v, %d requests to the other node", err, b.requests.Load())
	}
	await(t, "a is let go", func() bool { return left.ctx.Err() != nil })
}

// A connection that is lost is counted.
func TestLostStreamsAreCounted(t *testing.T) {
	a, reg := startFake(t, small, "a", "127.0.0.1:0"), prometheus.NewRegistry()
	d := router(t, func(o *Options) { o.Metrics = reg })
	d.Apply(place(small, 1, a))
	await(t, "both lanes are up", func() bool { // one that is not yet would be no loss
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.nodes["a"].up == d.opts.Lanes
	})
	a.server.Stop()
	await(t, "both lanes are counted", func() bool {
		reason, n := series(t, reg, "olmoe_dispatch_stream_errors_total")
		return reason == "Connection" && n == d.opts.Lanes
	})
}

// A node computes what it holds while it still loads the rest of its share.
func TestANodeThatLoadsIsUsed(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	a.ready, a.held = 0, wire.NewBitmap(small.layers, small.experts)
	a.held.Set(0, 3)
	d := router(t, nil)
	d.Apply(place(small, 1, a))
	if err := newTask(small, 0, 1, 3).do(t.Context(), d); err != nil {
		t.Error(err)
	}
}
