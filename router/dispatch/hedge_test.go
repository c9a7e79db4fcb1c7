package dispatch

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// pair starts two owners of everything and a router that knows how long they take.
// On a busy machine it may hedge while it learns; then another router learns.
func pair(t *testing.T) (d *Dispatcher, a, b *fakeNode, w *task) {
	t.Helper()
	a, b = startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	w = newTask(small, 0, 2, 0, 1, 2, 3, 4, 5, 6, 7)
	for range 20 {
		d = router(t, nil)
		d.Apply(place(small, 1, a, b))
		await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
		for range 3 * paceRefresh {
			if err := w.do(context.Background(), d); err != nil {
				t.Fatal(err)
			}
		}
		if testutil.ToFloat64(d.metrics.retries.WithLabelValues("Timeout")) == 0 {
			return d, a, b, w
		}
	}
	t.Fatal("20 routers have hedged without need")
	return nil, nil, nil, nil
}

// A node that freezes costs one call the time after which a request is late, not
// the request timeout; the next calls do not ask it.
func TestAFrozenNodeIsHedged(t *testing.T) {
	d, a, _, w := pair(t)
	late := d.lateAfter(len(w.ids))
	if late >= d.opts.RequestTimeout {
		t.Fatalf("after %d calls a request is late after %s: nothing was learnt", 3*paceRefresh, late)
	}
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	var frozen atomic.Int64
	a.breaks(func(*fakeStream, *wire.In) bool { frozen.Add(1); <-release; return false })
	const calls = 20
	var worst time.Duration
	for range calls {
		begun := time.Now()
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		worst = max(worst, time.Since(begun))
	}
	t.Logf("late after %s, the longest of %d calls took %s", late, calls, worst)
	if limit := late + 2*time.Second; worst > limit { // far below the 10 s of the timeout, on any machine
		t.Errorf("a call took %s, want at most %s", worst, limit)
	}
	if n := frozen.Load(); n != 1 {
		t.Errorf("the frozen node was asked %d times, want once", n)
	}
	if won := testutil.ToFloat64(d.metrics.hedgeWon); won != 1 {
		t.Errorf("%v hedges won, want 1", won)
	}
}

// A node that is slow all the time ranks last soon, and is tried again now and then.
func TestASlowNodeRanksLast(t *testing.T) {
	d, a, _, w := pair(t)
	d.takes(10 * paceFloor)
	answer, late := make(chan struct{}), 0
	a.breaks(func(*fakeStream, *wire.In) bool { <-answer; return false })
	before := int(a.requests.Load())
	const calls = 20
	for range calls {
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		for ; late < int(a.requests.Load())-before; late++ { // it answers when the call is over, and owes nothing
			answer <- struct{}{}
			await(t, "its answer came late", func() bool { return lateCount(d) > float64(late) })
		}
	}
	if late > 5 {
		t.Errorf("the slow node was asked %d times by %d calls", late, calls)
	}
	close(answer)
	await(t, "it is used again", func() bool {
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		return d.nodes["a"].losses.Load() == 0
	})
}

// A late answer that is the first all the same is used, and the node keeps its rank.
func TestTheLateAnswerMayBeTheFirst(t *testing.T) {
	d, a, b, w := pair(t)
	d.takes(10 * paceFloor)
	hedged, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	a.records(hedged, 1)
	var asked atomic.Int64
	b.breaks(func(*fakeStream, *wire.In) bool {
		if asked.Add(1) == 2 {
			close(hedged)
			<-release
		}
		return false
	})
	if err := w.do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if lost := testutil.ToFloat64(d.metrics.hedgeLost); lost != 1 {
		t.Errorf("%v hedges lost, want 1", lost)
	}
	if n := d.nodes["a"].losses.Load(); n != 0 {
		t.Errorf("the node has %d losses", n)
	}
}

// An only owner that freezes is told of, so that its experts get another one; the
// call goes on with that, under the new placement.
func TestAFrozenOnlyOwnerIsTold(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	d := router(t, func(o *Options) { o.RequestTimeout = 100 * time.Millisecond })
	d.Apply(place(small, 1, a))
	await(t, "connected", func() bool { return ready(d) })
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	a.breaks(func(*fakeStream, *wire.In) bool { <-release; return false })
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 2, 0, 1, 2, 3).do(context.Background(), d) }()
	await(t, "told", func() bool {
		s := d.Status()
		return s.Covered == 0 && strings.Contains(s.Problem, "a: does not answer")
	})
	doc := place(small, 2, b)
	doc.Revision = 2
	d.Apply(doc)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := d.Status(); !s.Ready() {
		t.Errorf("not ready on the new owner: %s", s.Problem)
	}
}

// When everything is slow, hedges stay a bounded share of the work.
func TestHedgesHaveABudget(t *testing.T) {
	var h hedges
	granted := 0
	for range 1000 {
		h.answered()
		if h.take() {
			granted++
		}
	}
	if want := hedgeBurst + 1000/hedgeShare; granted > want || granted < hedgeBurst {
		t.Errorf("%d hedges for 1000 answers, want at most %d and at least the burst of %d", granted, want, hedgeBurst)
	}
}

// A freeze while the budget is spent costs a few times what is late, not forever: what
// waits for the frozen node earns nothing.
func TestAFreezeWithoutBudget(t *testing.T) {
	d, a, _, w := pair(t)
	late, want := d.lateAfter(len(w.ids)), d.hedgedAnyway(len(w.ids)) // a node has half of them or more
	if want <= late || want > hedgeAnyway {
		t.Fatalf("hedged anyway after %s where %s is late", want, late)
	}
	d.hedges.spent.Store(2 * hedgeBurst * hedgeShare)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	a.breaks(func(*fakeStream, *wire.In) bool { <-release; return false })
	begun := time.Now()
	if err := w.do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	t.Logf("took %s, hedged anyway after %s", took, want)
	if took < hedgeLates*paceFloor || took > want+5*time.Second {
		t.Errorf("took %s, want %s to %s", took, hedgeLates*paceFloor, want)
	}
}

// Every late request that is answered in the end is counted once: its node has lost if
// others had answered before, though by a moment.
func TestWhoWasFirst(t *testing.T) {
	for name, c := range map[string]struct {
		carriers    []int8 // of its two pairs, when its answer is read
		pending     bool   // its answer is not in the box yet
		won, losses float64
	}{
		"the other":                {[]int8{answered, answered}, true, 1, 1},
		"the other, by a moment":   {[]int8{answered, answered}, false, 1, 1},
		"the late one":             {[]int8{2, 1}, false, 0, 0},
		"the late one, for a pair": {[]int8{answered, 1}, false, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := router(t, nil)
			call := newCall(d)
			n := &node{d: d}
			l := &lane{node: n, pending: map[uint64]*shard{}}
			s := &shard{call: call, node: n, lane: l, id: 1, slots: []int32{0, 1}, hedged: true}
			call.carriers, call.inflight, call.hedging = c.carriers, []*shard{s}, true
			if c.pending {
				l.pending[s.id] = s
			}
			call.since = time.Now()
			call.settle(call.since)
			if !c.pending {
				call.note(s, wire.Timing{})
			}
			won, lost := testutil.ToFloat64(d.metrics.hedgeWon), testutil.ToFloat64(d.metrics.hedgeLost)
			if losses := float64(n.losses.Load()); won != c.won || lost != 1-c.won || losses != c.losses {
				t.Errorf("%v won, %v lost, the node lost %v times; want %v, %v, %v", won, lost, losses, c.won, 1-c.won, c.losses)
			}
		})
	}
}
