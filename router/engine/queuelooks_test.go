package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watched is a queue of at most so many, and how it looks after those who wait.
type watched struct {
	queue
	looks, gone int // how often a sequence was looked at, and dropped
}

func newWatched(most int) *watched {
	w := &watched{queue: queue{max: most, maxWait: time.Hour, wake: make(chan struct{}, 1),
		length: prometheus.NewGauge(prometheus.GaugeOpts{}), waited: prometheus.NewHistogram(prometheus.HistogramOpts{})}}
	w.reap = func(s *sequence) bool {
		w.looks++
		if s.ctx.Err() == nil && !w.overdue(s) {
			return false
		}
		w.gone++
		return true
	}
	return w
}

func (w *watched) fill(t *testing.T, ctx context.Context, n int) {
	t.Helper()
	for range n {
		if err := w.push(&sequence{ctx: ctx}); err != nil {
			t.Fatal(err)
		}
	}
}

// expect says how many were looked at since the last time, and dropped.
func (w *watched) expect(t *testing.T, what string, looks, gone int) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks != looks || w.gone != gone {
		t.Errorf("%s: %d looks, %d dropped, want %d and %d", what, w.looks, w.gone, looks, gone)
	}
	w.looks, w.gone = 0, 0
}

func never(*sequence) bool { return false }

// However many wait, a step looks at the first alone, and a hang-up at its own sequences,
// whose places are free at once: every stream waits for the queue's lock.
func TestTheQueueLooksAtWhomItConcerns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(1000)
		ctx, hangUp := context.WithCancel(t.Context())
		w.fill(t, t.Context(), 500)
		w.fill(t, ctx, 100)
		w.fill(t, t.Context(), 400)
		w.shift(never, never)
		w.expect(t, "a step without a place", 1, 0)
		hangUp()
		w.expect(t, "100 hang up", 100, 100)
		w.fill(t, t.Context(), 100)
		if err := w.push(&sequence{ctx: t.Context()}); !errors.Is(err, ErrQueueFull) {
			t.Errorf("one more than there are places: %v", err)
		}
		time.Sleep(time.Hour)
		w.expect(t, "an hour later", 1000, 1000)
	})
}

// Who has hung up gets no place in the batch, however late the queue is told.
func TestNoPlaceForWhoHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, taken := newWatched(100), 0
		ctx, hangUp := context.WithCancel(t.Context())
		w.fill(t, ctx, 50)
		w.fill(t, t.Context(), 50)
		hangUp()
		w.shift(never, func(s *sequence) bool {
			if s.ctx.Err() != nil {
				t.Error("a place for nobody")
			}
			taken++
			return true
		})
		if taken != 50 {
			t.Errorf("%d have a place, want 50", taken)
		}
	})
}

// Behind one for which there is no room a step asks a few whether they fit, however many
// wait, and nobody passes one that was preempted.
func TestWhoMayPassIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, asked := newWatched(1000), 0
		w.fill(t, t.Context(), 1000)
		ask := func(*sequence) bool { asked++; return false }
		w.shift(ask, never)
		if asked != passes {
			t.Errorf("%d of 999 were asked, want %d", asked, passes)
		}
		asked = 0
		w.pushFront(&sequence{ctx: t.Context()})
		w.shift(ask, never)
		if asked != 0 {
			t.Errorf("%d were asked to pass one that has begun", asked)
		}
	})
}

// Who is let past has hung up as little as who is first.
func TestNobodyPassesWhoHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, taken := newWatched(100), 0
		ctx, hangUp := context.WithCancel(t.Context())
		w.fill(t, t.Context(), 1)
		w.fill(t, ctx, 5)
		w.fill(t, t.Context(), 1)
		first := sequenceAt(w.list.Front())
		hangUp()
		w.shift(func(*sequence) bool { return true }, func(s *sequence) bool {
			if s.ctx.Err() != nil {
				t.Error("a place for nobody")
			}
			if s == first {
				return false
			}
			taken++
			return true
		})
		if taken != 1 {
			t.Errorf("%d passed, want 1", taken)
		}
	})
}
