package engine

import (
	"cmp"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// plan fills the step, which is empty: one row for every decoding sequence, then
// prefill chunks while the token budget lasts. What a step contains never changes an
// answer (invariant 1), so this order is about latency alone.
func (e *Engine) plan() {
	for {
		e.planPrefills(e.MaxRows - e.planDecodes())
		for _, s := range e.running {
			e.step.add(s, s.chunk)
			s.chunk = 0
		}
		if len(e.step.rows) > 0 || len(e.running) == 0 {
			return
		}
		// Only prefills that wait for each other's pages are left.
		e.preempt(len(e.running) - 1)
	}
}

// planDecodes says how many rows decode.
func (e *Engine) planDecodes() (rows int) {
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
			s.chunk = 1
			rows++
		}
	}
	return rows
}

// planPrefills shares what is left of the budget: the oldest prompt keeps half of it, and
// the rest goes to those with the fewest tokens left, the oldest among them. So a short
// prompt does not wait for long ones, a long one takes at most twice its time once it is
// the oldest, and equal ones come one after the other (docs/adr/0155).
func (e *Engine) planPrefills(left int) {
	prefills := e.prefills()
	if len(prefills) == 0 {
		return
	}
	left -= e.extend(prefills[0], (left+1)/2)
	slices.SortStableFunc(prefills, func(a, b *sequence) int { return cmp.Compare(a.pending(), b.pending()) })
	for _, s := range prefills {
		left -= e.extend(s, left)
	}
}

// prefills are the running sequences that do not decode, in order of arrival, with the
// pages that are known by now of what they are to compute.
func (e *Engine) prefills() []*sequence {
	clear(e.step.prefills) // a plan may look twice, at fewer the second time
	list := e.step.prefills[:0]
	for _, s := range e.running {
		if !s.decoding() {
			e.attach(s)
			list = append(list, s)
		}
	}
	e.step.prefills = list
	return list
}

// extend gives the chunk of s in this step up to n rows more, as far as there are pages
// for them, and says how many.
func (e *Engine) extend(s *sequence, n int) int {
	if n == 0 || s.chunk == 0 && e.underWay(s) {
		return 0
	}
	before := s.chunk
	n = min(s.pending(), before+n)
	e.grow(s, s.computed+n)
	s.chunk = min(n, len(s.kv.Pages)*model.PageTokens-s.computed)
	return s.chunk - before
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
