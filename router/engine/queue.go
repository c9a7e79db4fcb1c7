package engine

import (
	"context"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// queue holds the sequences that wait for a place in the batch, first come first served.
// Requests enter it beside the loop, and leave it when their client hangs up, also while a
// step waits for experts: what waits in the queue is what somebody waits for.
type queue struct {
	max    int
	length prometheus.Gauge
	wake   chan struct{}        // has a value when a request has come
	reap   func(*sequence) bool // ends a sequence that nobody waits for; called with mu held

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
		return ErrQueueFull
	}
	q.insert(len(q.list), s)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// pushFront puts a sequence back that was taken out before, however many wait.
func (q *queue) pushFront(s *sequence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.insert(0, s)
}

func (q *queue) insert(place int, s *sequence) {
	s.unwatch = context.AfterFunc(s.ctx, q.sweep)
	q.list = slices.Insert(q.list, place, s)
	q.count()
}

// sweep drops what waits for nobody.
func (q *queue) sweep() { q.shift(func(*sequence) bool { return false }) }

// shift drops what waits for nobody and moves sequences out, from the front, as long as
// take takes them.
func (q *queue) shift(take func(*sequence) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = slices.DeleteFunc(q.list, q.reap)
	n := 0
	for n < len(q.list) && take(q.list[n]) {
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
	q.list = nil
	q.count()
	return left
}

func (q *queue) count() { q.length.Set(float64(len(q.list))) }
