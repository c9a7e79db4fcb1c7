package engine

import (
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// spare pages that each sequence finds free when another is let in: what it grows by
// for some time before the cache is full and the youngest has to give way.
const spare = 2

// admit drops what its client has given up and moves requests from the queue to
// the running set: first come first served, as far as there is room for the first.
func (e *Engine) admit() {
	e.running = slices.DeleteFunc(e.running, e.reap)
	claimed := e.claimed()
	e.queue.shift(func(s *sequence) bool { return e.fitsAlone(s, claimed) }, func(s *sequence) bool {
		if len(e.running) >= e.MaxSequences || !e.fits(s, claimed) {
			return false
		}
		claimed += e.claim(s)
		e.clients.enter(s)
		e.running = append(e.running, s)
		return true
	})
	e.Metrics.running.Set(float64(len(e.running)))
	e.Metrics.pages(e.pages)
}

// fits says whether s can be admitted: the free pages must cover what s and the running
// sequences are still to take, or s would be preempted at once, or come back only to be
// preempted again. It attaches the pages of known prefixes, and detaches them again if s
// must wait.
func (e *Engine) fits(s *sequence, claimed int) bool {
	e.attach(s)
	if len(e.running) == 0 || e.room(s, claimed) {
		return true
	}
	e.detach(s)
	return false
}

// fitsAlone says that there is a place and room for s whatever is known of its beginning:
// what every step asks of those that may pass must cost nothing.
func (e *Engine) fitsAlone(s *sequence, claimed int) bool {
	return len(e.running) < e.MaxSequences && e.room(s, claimed)
}

// room says that there are free pages for s beside those that are claimed.
func (e *Engine) room(s *sequence, claimed int) bool {
	return claimed+e.claim(s) <= e.pages.Total()-e.pages.InUse()
}

// claimed is the number of pages that the running sequences are still to take.
func (e *Engine) claimed() (n int) {
	for _, s := range e.running {
		n += e.claim(s)
	}
	return n
}

// claim is the number of pages that s still needs: for the tokens it holds and a few more
// to grow by, within what its token limit lets it use.
func (e *Engine) claim(s *sequence) int {
	longest := min(len(s.req.Prompt)+max(0, s.req.MaxTokens-1), e.context)
	pages := min(model.PagesFor(len(s.tokens))+spare, model.PagesFor(longest))
	return max(0, pages-len(s.kv.Pages))
}
