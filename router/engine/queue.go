package engine

import (
	"context"
	"slices"
)

// enqueue puts a sequence at this place of the queue; mu is held. If its client hangs up
// it leaves at once, also while a step waits for experts: what waits in the queue is
// what somebody waits for.
func (e *Engine) enqueue(s *sequence, place int) {
	s.unwatch = context.AfterFunc(s.ctx, e.tidy)
	e.queue = slices.Insert(e.queue, place, s)
	e.countQueue()
}

// tidy drops what waits for nobody. Sequences in the queue hold no pages, so that
// nothing of the loop's is touched.
func (e *Engine) tidy() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = e.sweep(e.queue)
	e.countQueue()
}

func (e *Engine) countQueue() { e.Metrics.queued.Set(float64(len(e.queue))) }

// sweep releases sequences whose client has hung up, or has enough.
func (e *Engine) sweep(list []*sequence) []*sequence {
	keep := list[:0]
	for _, s := range list {
		if s.ctx.Err() != nil {
			e.Metrics.ended(s, e.Metrics.by(context.Cause(s.ctx)))
			e.release(s)
			continue
		}
		keep = append(keep, s)
	}
	clear(list[len(keep):])
	return keep
}

// release frees what a sequence holds.
func (e *Engine) release(s *sequence) {
	e.leave(s)
	s.ended = true
	e.pages.Put(s.kv.Pages...)
	s.kv.Pages = nil
	s.out.close()
	e.active.Add(-1)
}

// end sends a sequence's last event.
func (e *Engine) end(s *sequence, last Event) {
	s.out.put(last)
	how := e.Metrics.finished
	if last.Err != nil {
		how = e.Metrics.failed
	}
	e.Metrics.ended(s, how)
	e.release(s)
}

// abandon fails everything, queued and running.
func (e *Engine) abandon(err error) {
	e.mu.Lock()
	all := append(e.running, e.queue...)
	e.running, e.queue, e.stopped = nil, nil, true
	e.countQueue()
	e.mu.Unlock()
	e.Metrics.running.Set(0)
	for _, s := range all {
		e.end(s, Event{Err: err})
	}
}
