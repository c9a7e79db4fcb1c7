package expertnode

import (
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// asks is a request of a router that arrived at a moment and asks for some experts.
func asks(router string, at time.Time, pairs int) *job {
	return &job{in: &wire.In{Header: wire.Header{Rows: 1, Pairs: pairs}}, stream: &stream{router: router}, arrived: at, experts: make([]uint16, pairs)}
}

// A router's second half does not queue behind its first, but behind others; the
// answer still tells how long it lay there.
func TestWaitBehindOwnRowsIsNoQueue(t *testing.T) {
	start := time.Now()
	ms := func(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }
	b := &batch{perLayer: 1, own: map[string]int{}, cells: make([]cell, 1)}
	b.jobs = []*job{asks("a", ms(-50), 30), asks("b", ms(0), 10)}
	pairs := b.tally(start)
	if w := b.work.Requests[0]; w.Queue != 50*time.Millisecond {
		t.Errorf("a wait for nobody of one's own counts as %v", w.Queue)
	}

	q := newQueue()
	for _, j := range []*job{
		asks("a", ms(-10), 1), // before the batch, too late for it
		asks("a", ms(40), 1),  // while it was computed
		asks("b", ms(40), 1),
		asks("c", ms(40), 1),
		asks("a", ms(200), 1), // after it
	} {
		q.put(j)
	}
	q.credit(b.own, pairs, start, ms(100))
	b.jobs = q.take(nil)
	b.tally(ms(300))
	want := []int{310 - 75, 260 - 45, 260 - 15, 260, 100} // a has three quarters of the pairs, b one
	for i, w := range want {
		if got := b.work.Requests[i].Queue; got != time.Duration(w)*time.Millisecond {
			t.Errorf("request %d queued for %v, want %d ms", i, got, w)
		}
	}
	if got := b.jobs[1].waited; got != 260*time.Millisecond {
		t.Errorf("the answer says %v, want 260 ms", got)
	}
}
