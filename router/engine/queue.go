package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// queue holds the sequences that wait for a place in the batch, first come first served.
// Requests enter it beside the loop, and leave it when their client hangs up, also while a
// step waits for experts: what waits in the queue is what somebody waits for.
type queue struct {
	max     int
	maxWait time.Duration // for a sequence's first place; 0 = none
	length  prometheus.Gauge
	waited  prometheus.Observer  // for the first place, or in vain
	wake    chan struct{}        // has a value when a request has come
	reap    func(*sequence) bool // ends a sequence that is to wait no longer; called with mu held

	mu     sync.Mutex // guards what follows, and what stands in the list
	list   []*sequence
	closed error // why nothing is taken any more; nil = open
}

// push puts a new sequence at the end.
func (q *queue) push(s *sequence) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed != nil:
		return q.closed
	case len(q.list) >= q.max:
		return &BusyError{ErrQueueFull, q.longest()}
	}
	s.queued = time.Now()
	q.insert(len(q.list), s)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// pushFront puts a sequence back that was taken out before, however many wait. It has
// begun, and waits at the head for the end of those before it: it is never overdue.
func (q *queue) pushFront(s *sequence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.insert(0, s)
}

func (q *queue) insert(place int, s *sequence) {
	s.unwatch = q.watch(s)
	q.list = slices.Insert(q.list, place, s)
	q.count()
}

// watch sweeps when the client of s hangs up, or s is overdue, until it is told to stop.
func (q *queue) watch(s *sequence) (stop func() bool) {
	client := context.AfterFunc(s.ctx, q.sweep)
	if q.maxWait == 0 || s.queued.IsZero() {
		return client
	}
	due := time.AfterFunc(q.maxWait, q.sweep)
	return func() bool { due.Stop(); return client() }
}

// overdue says that s has waited for its first place for as long as any may (invariant 8).
func (q *queue) overdue(s *sequence) bool {
	return q.maxWait > 0 && !s.queued.IsZero() && time.Since(s.queued) >= q.maxWait
}

// longest is how long the first of those that wait for their first place has waited.
func (q *queue) longest() time.Duration {
	for _, s := range q.list {
		if !s.queued.IsZero() {
			return time.Since(s.queued)
		}
	}
	return 0
}

// leave notes how long s has waited for its first place: it has one now, or never will.
func (q *queue) leave(s *sequence) {
	if !s.queued.IsZero() {
		q.waited.Observe(time.Since(s.queued).Seconds())
		s.queued = time.Time{}
	}
}

// sweep drops what is to wait no longer.
func (q *queue) sweep() { q.shift(func(*sequence) bool { return false }) }

// shift drops what is to wait no longer and moves sequences out, from the front, as long
// as take takes them.
func (q *queue) shift(take func(*sequence) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = slices.DeleteFunc(q.list, func(s *sequence) bool {
		gone := q.reap(s)
		if gone {
			q.leave(s)
		}
		return gone
	})
	n := 0
	for n < len(q.list) && take(q.list[n]) {
		q.leave(q.list[n])
		n++
	}
	q.list = slices.Delete(q.list, 0, n) // which clears their places: what ends is held nowhere
	q.count()
}

// close refuses what comes later, for the first reason that was given, and moves out what
// waits.
func (q *queue) close(why error) []*sequence {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = why
	}
	left := q.list
	for _, s := range left {
		q.leave(s)
	}
	q.list = nil
	q.count()
	return left
}

func (q *queue) count() { q.length.Set(float64(len(q.list))) }
