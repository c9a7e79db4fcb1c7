package engine

import (
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// plan fills the step, which is empty: one row for every decoding sequence, then
// prefill chunks in order of arrival while the token budget lasts. What a step contains never changes an answer (invariant 1), so
// this order is about latency alone.
func (e *Engine) plan() {
	for {
		e.planDecodes()
		e.planPrefills()
		if len(e.step.rows) > 0 || len(e.running) == 0 {
			return
		}
		// Only prefills that wait for each other's pages are left.
		e.preempt(len(e.running) - 1)
	}
}

func (e *Engine) planDecodes() {
	for i := 0; i < len(e.running); i++ {
		s := e.running[i]
		if !s.decoding() {
			continue
		}
		for !e.grow(s, len(s.tokens)) {
			if e.preempt(len(e.running)-1) == s { // the youngest gives way, maybe s itself
				break
			}
		}
		if i < len(e.running) && e.running[i] == s {
			e.step.add(s, 1)
		}
	}
}

func (e *Engine) planPrefills() {
	for _, s := range e.running {
		budget := e.MaxRows - len(e.step.rows)
		if budget == 0 {
			return
		}
		if s.decoding() {
			continue
		}
		e.attach(s)
		if e.underWay(s) {
			continue
		}
		n := min(s.pending(), budget)
		e.grow(s, s.computed+n)
		room := len(s.kv.Pages)*model.PageTokens - s.computed
		e.step.add(s, min(n, room))
	}
}

// grow gives s pages for n positions; false when the pool ran out before.
func (e *Engine) grow(s *sequence, n int) bool {
	for len(s.kv.Pages) < model.PagesFor(n) {
		p := e.pages.Get()
		if p == nil {
			return false
		}
		s.kv.Pages = append(s.kv.Pages, p)
	}
	return true
}

// preempt takes the pages of the running sequence at index i and puts it back at
// the head of the queue: it is computed again later, to the same bits. The last one
// never lacks a page: no sequence is longer than the cache.
func (e *Engine) preempt(i int) *sequence {
	s := e.running[i]
	e.running = slices.Delete(e.running, i, i+1)
	e.clients.leave(s)
	if len(s.kv.Pages) > 0 {
		e.Metrics.preempted.Inc()
	}
	e.detach(s)
	e.queue.pushFront(s)
	return s
}
