package engine

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// queue holds the sequences that wait for a place in the batch, first come first served but
// for the few that may pass one for which there is no room (pass.go).
// Requests enter it beside the loop, and leave it when their client hangs up, also while a
// step waits for experts: what waits in the queue is what somebody waits for. However many
// wait, no call goes over those that go on waiting: the loop wants mu before every step.
type queue struct {
	max     int
	maxWait time.Duration // for a sequence's first place; 0 = none
	length  prometheus.Gauge
	waited  prometheus.Observer  // for the first place, or in vain
	wake    chan struct{}        // has a value when a request has come
	reap    func(*sequence) bool // ends a sequence that is to wait no longer; called with mu held

	mu     sync.Mutex // guards what follows, and what stands in the list
	list   list.List  // of *sequence
	closed error      // why nothing is taken any more; nil = open
}

// push puts a new sequence at the end.
func (q *queue) push(s *sequence) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed != nil:
		return q.closed
	case q.list.Len() >= q.max:
		return &BusyError{ErrQueueFull, q.longest()}
	}
	s.queued = time.Now()
	q.insert(s, q.list.PushBack)
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
	q.insert(s, q.list.PushFront)
}

func (q *queue) insert(s *sequence, put func(any) *list.Element) {
	s.unwatch = q.watch(s)
	s.place = put(s)
	q.count()
}

// watch drops s when its client hangs up, or s is overdue, until it is told to stop.
func (q *queue) watch(s *sequence) (stop func() bool) {
	drop := func() { q.drop(s) }
	client := context.AfterFunc(s.ctx, drop)
	if q.maxWait == 0 || s.queued.IsZero() {
		return client
	}
	due := time.AfterFunc(q.maxWait, drop)
	return func() bool { due.Stop(); return client() }
}

// overdue says that s has waited for its first place for as long as any may (invariant 8).
func (q *queue) overdue(s *sequence) bool {
	return q.maxWait > 0 && !s.queued.IsZero() && time.Since(s.queued) >= q.maxWait
}

// longest is how long the first of those that wait for their first place has waited.
func (q *queue) longest() time.Duration {
	for at := q.list.Front(); at != nil; at = at.Next() {
		if s := sequenceAt(at); !s.queued.IsZero() {
			return time.Since(s.queued)
		}
	}
	return 0
}

// drop takes s out if it is to wait no longer.
func (q *queue) drop(s *sequence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.place != nil && q.reap(s) {
		q.remove(s)
	}
}

// shift moves sequences out, from the front, as long as take takes them, and then some that
// fit beside the first that it does not. Those that are to wait no longer are dropped on the way.
func (q *queue) shift(fits, take func(*sequence) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for at := q.list.Front(); at != nil; at = q.list.Front() {
		s := sequenceAt(at)
		if !q.reap(s) && !take(s) {
			q.pass(s, fits, take)
			return
		}
		q.remove(s)
	}
}

// remove takes s out, and notes how long it has waited for its first place: it has one
// now, or never will.
func (q *queue) remove(s *sequence) {
	if !s.queued.IsZero() {
		q.waited.Observe(time.Since(s.queued).Seconds())
		s.queued = time.Time{}
	}
	q.list.Remove(s.place)
	s.place = nil
	q.count()
}

// close refuses what comes later, for the first reason that was given, and moves out what
// waits.
func (q *queue) close(why error) (left []*sequence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = why
	}
	for at := q.list.Front(); at != nil; at = q.list.Front() {
		left = append(left, sequenceAt(at))
		q.remove(sequenceAt(at))
	}
	return left
}

func (q *queue) count() { q.length.Set(float64(q.list.Len())) }

func sequenceAt(place *list.Element) *sequence { return place.Value.(*sequence) }
