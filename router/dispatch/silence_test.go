package dispatch

import (
	"context"
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
