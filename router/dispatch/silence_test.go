package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// learnt starts one owner of everything and a router that knows how long it takes.
func learnt(t *testing.T) (d *Dispatcher, a *fakeNode, w *task) {
	t.Helper()
	a = startFake(t, small, "a", "127.0.0.1:0")
	d = router(t, nil)
	d.Apply(place(small, 1, a))
	await(t, "connected", func() bool { return ready(d) })
	w = newTask(small, 0, 2, 0, 1, 2, 3, 4, 5, 6, 7)
	for range 3 * paceRefresh {
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
	return d, a, w
}

// Who waits for it hears at once that an only owner is silent; when the node speaks
// again it is silent no more, and the call has its answer.
func TestSilenceIsHeard(t *testing.T) {
	d, a, w := learnt(t)
	release := make(chan struct{})
	a.breaks(func(*fakeStream, *wire.In) bool { <-release; return false })
	heard := make(chan time.Time, 1)
	go func() { d.AwaitSilence(t.Context()); heard <- time.Now() }()
	done, begun := make(chan error, 1), time.Now()
	go func() { done <- w.do(context.Background(), d) }()
	took := (<-heard).Sub(begun)
	after := d.silentAfter(len(w.ids))
	t.Logf("silent after %s, heard after %s", after, took)
	if took < after || took > after+2*time.Second { // seconds only on a busy machine
		t.Errorf("heard after %s, want %s", took, after)
	}
	if names := d.Silent(); len(names) != 1 || names[0] != "a" {
		t.Errorf("silent: %v", names)
	}
	if n := d.hedges.spent.Load(); n != 0 { // nobody else can be asked
		t.Errorf("a hedge is paid for that was not sent: %d", n)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if names := d.Silent(); names != nil {
		t.Errorf("silent after its answer: %v", names)
	}
}

// A node that owes one answer for long, but gives others meanwhile, is busy and not silent.
func TestABusyNodeIsNotSilent(t *testing.T) {
	d, a, w := learnt(t)
	release := make(chan struct{})
	var first atomic.Bool
	a.breaks(func(*fakeStream, *wire.In) bool {
		if first.CompareAndSwap(false, true) {
			<-release
		}
		return false
	})
	done := make(chan error, 1)
	go func() { done <- w.do(context.Background(), d) }()
	await(t, "the request is held", first.Load)
	for end := time.Now().Add(3 * d.silentAfter(len(w.ids))); time.Now().Before(end); {
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		if names := d.Silent(); names != nil {
			t.Fatalf("silent: %v", names)
		}
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A node that speaks while it is found silent is not: it may owe nothing more, and then
// says nothing that would tell again.
func TestAWordAtTheLastMomentIsHeard(t *testing.T) {
	d := router(t, nil)
	long := time.Now().Add(-time.Hour)
	for range 20000 {
		n := &node{d: d, name: "a"}
		n.lives(long)
		c, s := &call{d: d}, &shard{node: n, sent: long, slots: []int32{0}}
		var both sync.WaitGroup
		both.Go(func() { n.lives(time.Now()) })
		both.Go(func() { c.mayBeSilent(s, time.Now()) })
		both.Wait()
		if n.isSilent() {
			t.Fatal("silent, and nothing will tell that it is not")
		}
	}
}

func TestSilentAfter(t *testing.T) {
	d := router(t, nil)
	if got := d.silentAfter(8); got != silentMost {
		t.Errorf("before anything is known: %s, want %s", got, silentMost)
	}
	for _, c := range []struct{ usual, want time.Duration }{
		{time.Millisecond, silentLeast},
		{50 * time.Millisecond, silentLates * paceFactor * 50 * time.Millisecond},
		{time.Second, silentMost},
	} {
		for range paceSamples {
			d.pace.answered(8, c.usual)
		}
		if got := d.silentAfter(8); got != c.want {
			t.Errorf("answers take %s: silent after %s, want %s", c.usual, got, c.want)
		}
	}
}

// AwaitSilence ends with its context.
func TestAwaitSilenceEnds(t *testing.T) {
	d := router(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	d.AwaitSilence(ctx)
}

// A node that does not answer is not sent more than a lane may have unanswered, though
// the calls have gone on; who waits for it finds out that it is silent, and is answered
// when it goes on.
func TestUnansweredRequestsAreBounded(t *testing.T) {
	n := startFake(t, small, "a", "127.0.0.1:0")
	var mu sync.Mutex
	unanswered := map[*fakeStream]int{}
	hold := make(chan struct{})
	n.breaks(func(s *fakeStream, _ *wire.In) bool {
		mu.Lock()
		unanswered[s]++
		mu.Unlock()
		<-hold
		return false
	})
	d := router(t, func(o *Options) { o.RequestTimeout = 100 * time.Millisecond })
	d.Apply(place(small, 1, n))
	await(t, "both lanes", func() bool {
		return d.nodes["a"].lane() != nil && d.nodes["a"].lanes[0].load.Load() == 0 && d.nodes["a"].lanes[1].load.Load() == 0
	})
	for i := range int64(2 * laneQueue) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { await(t, "it is asked", func() bool { return n.requests.Load() > i }); cancel() }()
		if err := newTask(small, 0, 1, 1, 2).do(ctx, d); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	n.change(func() {}) // a sign of life, after which nobody owes anything that a call waits for
	await(t, "not silent", func() bool { return len(d.Silent()) == 0 })
	patient := make(chan error, 1)
	go func() { patient <- newTask(small, 0, 1, 1, 2).do(t.Context(), d) }()
	await(t, "silent", func() bool { return len(d.Silent()) == 1 })
	mu.Lock()
	for _, c := range unanswered {
		if c > laneQueue {
			t.Errorf("%d requests without an answer on one stream", c)
		}
	}
	mu.Unlock()
	close(hold)
	if err := <-patient; err != nil {
		t.Error(err)
	}
}
