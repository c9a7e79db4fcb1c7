package engine

import (
	"context"
	"errors"
	"slices"
)

// reapQueued also ends what has waited in the queue for too long. What is there holds no
// pages, so that what the loop alone may touch is left alone.
func (e *Engine) reapQueued(s *sequence) bool {
	if !e.reap(s) && e.queue.overdue(s) {
		e.end(s, Event{Err: &BusyError{ErrQueueWait, e.queue.maxWait}})
	}
	return s.ended
}

// reap ends a sequence whose client has hung up, or has enough, and says whether it did.
func (e *Engine) reap(s *sequence) bool {
	if s.ctx.Err() == nil {
		return false
	}
	e.Metrics.ended(s, e.Metrics.by(context.Cause(s.ctx)))
	e.release(s)
	return true
}

// release frees what a sequence holds.
func (e *Engine) release(s *sequence) {
	e.clients.leave(s)
	s.ended = true
	e.pages.Put(s.kv.Pages...)
	s.kv.Pages = nil
	e.active.Add(-1) // before anybody sees that it has ended
	s.out.close()
}

// end sends a sequence's last event.
func (e *Engine) end(s *sequence, last Event) {
	s.out.put(last)
	how := e.Metrics.finished
	switch {
	case errors.Is(last.Err, ErrQueueWait):
		how = e.Metrics.overdue
	case last.Err != nil:
		how = e.Metrics.failed
	}
	e.Metrics.ended(s, how)
	e.release(s)
}

// finish sends the last event and takes the sequence out of the running set.
func (e *Engine) finish(s *sequence, last Event) {
	if i := slices.Index(e.running, s); i >= 0 {
		e.running = slices.Delete(e.running, i, i+1)
	}
	e.end(s, last)
}

// abandon fails everything, queued and running, and refuses what comes later.
func (e *Engine) abandon(why error) {
	all := append(e.running, e.queue.close(why)...)
	e.running = nil
	e.Metrics.running.Set(0)
	for _, s := range all {
		e.end(s, Event{Err: why})
	}
}
