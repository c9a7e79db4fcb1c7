package engine

import (
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// A sequence takes full pages that any sequence has computed of the same tokens,
// instead of computing them again. A row's bits depend on the tokens up to it alone
// (invariant 1), so the page holds what s itself would have put there.

// attach gives s the known pages of its tokens from where it stands, up to the
// first row that has to run because its logits are wanted.
func (e *Engine) attach(s *sequence) {
	if !e.PrefixCache {
		return
	}
	limit := s.firstWanted()
	for i := s.computed / model.PageTokens; (i+1)*model.PageTokens <= limit; i++ {
		pg := e.pages.Find(s.before(i), s.page(i))
		if pg == nil {
			return
		}
		if i < len(s.kv.Pages) { // a page of its own, not yet full
			e.pages.Put(s.kv.Pages[i])
			s.kv.Pages[i] = pg
		} else {
			s.kv.Pages = append(s.kv.Pages, pg)
		}
		s.cached += (i+1)*model.PageTokens - s.computed
		s.computed = (i + 1) * model.PageTokens
	}
}

// detach gives all pages of s back; what it has not sent is computed, or found,
// again.
func (e *Engine) detach(s *sequence) {
	e.pages.Put(s.kv.Pages...)
	s.reset()
}

// advance notes that s has computed up to pos and lets others have the page that
// this has filled.
func (e *Engine) advance(s *sequence, pos int) {
	s.computed = pos + 1
	if i := pos / model.PageTokens; e.PrefixCache && s.computed%model.PageTokens == 0 {
		s.kv.Pages[i] = e.pages.Keep(s.kv.Pages[i], s.before(i), s.page(i))
	}
}

// underWay says that the step being planned computes for another sequence the page
// that s needs next: s waits for it, so that a prompt that comes several times at
// once (n > 1) is computed once. It waits only for rows in the step, so never in vain.
func (e *Engine) underWay(s *sequence) bool {
	i := s.computed / model.PageTokens
	end := (i + 1) * model.PageTokens
	if !e.PrefixCache || end > s.firstWanted() {
		return false
	}
	return slices.ContainsFunc(e.running, func(o *sequence) bool {
		return o.computed < end && end <= o.computed+o.chunk && o.before(i) == s.before(i) && slices.Equal(o.page(i), s.page(i))
	})
}

// page is the tokens of page i, which s has all.
func (s *sequence) page(i int) []int32 {
	return s.tokens[i*model.PageTokens : (i+1)*model.PageTokens]
}

// before is the page before page i, nil for the first. It is full, so equal
// prefixes have the same one.
func (s *sequence) before(i int) *model.Page {
	if i == 0 {
		return nil
	}
	return s.kv.Pages[i-1]
}

// firstWanted is the first position whose logits are still wanted: the last one's
// to draw from, those that score the prompt, all for a trace.
func (s *sequence) firstWanted() int {
	switch {
	case s.trace != nil:
		return 0
	case s.req.PromptLogprobs >= 0 && len(s.prompt) < len(s.req.Prompt):
		return max(0, len(s.prompt)-1)
	}
	return len(s.tokens) - 1
}
