package engine

import (
	"fmt"
	"math"
)

// logitRows is how many rows' logits are computed at once: enough to read the
// head's weights once for a usual decode batch, and a bound on memory
// (32 x 50304 x 4 B = 6.4 MB).
const logitRows = 32

// sample computes logits where they are wanted, and draws and scores from them.
func (e *Engine) sample() {
	st, h := &e.step, e.Runner.Config().HiddenSize
	batch := st.batch
	for i, o := range st.owners {
		if o.seq.wantsLogits(o.pos) {
			copy(st.gathered[len(batch)*h:(len(batch)+1)*h], st.hidden[i*h:(i+1)*h])
			batch = append(batch, o)
		}
		if len(batch) == logitRows || (i == len(st.owners)-1 && len(batch) > 0) {
			e.useLogits(batch)
			batch = batch[:0]
		}
	}
	for i, o := range st.owners {
		lastRow := i == len(st.owners)-1 || st.owners[i+1].seq != o.seq
		if lastRow && !o.seq.ended && o.seq.req.MaxTokens == 0 && o.seq.pending() == 0 {
			last := Event{Finish: FinishLength}
			e.first(o.seq, &last)
			e.finish(o.seq, last)
		}
	}
}

// wantsLogits says whether the row at pos is drawn from, scored or traced.
func (s *sequence) wantsLogits(pos int) bool {
	return !s.ended && (s.draws(pos) || s.scores(pos) || s.trace != nil)
}

func (s *sequence) draws(pos int) bool { return pos == len(s.tokens)-1 && s.req.MaxTokens > 0 }

// scores says whether the row gives the probability of a prompt token that has
// none yet (after a preemption it may have).
func (s *sequence) scores(pos int) bool {
	return s.req.PromptLogprobs >= 0 && pos+1 < len(s.req.Prompt) && pos+1 >= len(s.prompt)
}

// outcome is what one row of logits gives.
type outcome struct {
	drawn Event         // if the row draws
	score PromptLogprob // if the row scores
	err   error         // then the score is none
}

// useLogits computes a batch's logits, draws and scores in parallel, and hands out
// in order.
func (e *Engine) useLogits(batch []rowOwner) {
	st, h, v := &e.step, e.Runner.Config().HiddenSize, e.vocab
	e.Runner.Logits(st.logits[:len(batch)*v], st.gathered[:len(batch)*h], len(batch))
	st.batch = batch
	e.Runner.Pool().Run(len(batch), st.useRow)
	e.handOut(batch)
	clear(batch) // hold on to no sequence that has ended
	clear(st.outcomes)
	st.batch = batch[:0]
}

// useRow draws from or scores one row of the batch.
func (e *Engine) useRow(i int) {
	o, out := e.step.batch[i], &e.step.outcomes[i]
	logits := e.step.logits[i*e.vocab : (i+1)*e.vocab]
	if o.seq.scores(o.pos) {
		out.score.Token, out.score.Top, out.err = e.logprobs(logits, o.seq.tokens[o.pos+1], o.seq.req.PromptLogprobs)
	}
	if o.seq.draws(o.pos) {
		out.drawn = e.draw(o.seq, logits)
	}
}

// logprobs refuses what is not finite, as the sampler does: of finite logits every
// probability is, and of others none.
func (e *Engine) logprobs(logits []float32, token int32, n int) (p TokenLogprob, top []TokenLogprob, err error) {
	p, top = e.Logprobs(logits, token, n)
	if v := float64(p.Logprob); math.IsNaN(v) || math.IsInf(v, 0) {
		err = fmt.Errorf("the log-probability of token %d is %v: %w", token, v, errNotFinite)
	}
	return p, top, err
}

func (e *Engine) handOut(batch []rowOwner) {
	st, v := &e.step, e.vocab
	for i, o := range batch {
		if o.seq.trace != nil {
			o.seq.trace.Logits(o.pos, st.logits[i*v:(i+1)*v])
		}
		switch { // a row cannot do both: the prompt's last row scores nothing
		case o.seq.ended: // an earlier row of it
		case st.outcomes[i].err != nil:
			e.finish(o.seq, Event{Err: st.outcomes[i].err})
		case o.seq.scores(o.pos):
			o.seq.addScore(st.outcomes[i].score)
		case o.seq.draws(o.pos):
			e.emit(o.seq, st.outcomes[i].drawn)
		}
	}
}

// addScore adds the probability of the prompt's next token.
func (s *sequence) addScore(p PromptLogprob) {
	if len(s.prompt) == 0 {
		s.prompt = append(s.prompt, PromptLogprob{}) // the first token has none
	}
	s.prompt = append(s.prompt, p)
}

// draw samples one token and its log-probabilities.
func (e *Engine) draw(s *sequence, logits []float32) (ev Event) {
	var banned []int32
	if s.generated < s.req.MinTokens {
		banned = s.ban
	}
	ev.Token, ev.Err = s.sampler.Next(logits, banned)
	if ev.Err == nil && s.req.Logprobs >= 0 {
		ev.Logprob, ev.Top, ev.Err = e.logprobs(logits, ev.Token, s.req.Logprobs)
	}
	return ev
}

// emit adds a drawn token to its sequence and ends the sequence where it ends.
func (e *Engine) emit(s *sequence, ev Event) {
	if ev.Err != nil {
		e.finish(s, Event{Err: ev.Err})
		return
	}
	ev.HasToken = true
	if s.generated == 0 {
		e.first(s, &ev)
	}
	s.generated++
	s.tokens = append(s.tokens, ev.Token)
	switch {
	case s.stop[ev.Token]:
		ev.Finish, ev.Stopped, ev.StopToken = FinishStop, true, ev.Token
	case s.generated >= s.req.MaxTokens || len(s.tokens) >= e.longest(s.req):
		ev.Finish = FinishLength
	default:
		s.out.put(ev)
		return
	}
	e.finish(s, ev)
}

// first adds to a sequence's first event what there is to say of its prompt.
func (e *Engine) first(s *sequence, ev *Event) {
	ev.Prompt, ev.CachedTokens = s.promptScores(), s.cached
	e.Metrics.prompt.Add(float64(len(s.req.Prompt)))
	e.Metrics.cached.Add(float64(s.cached))
}

// promptScores is what goes out with the first event; a prompt of one token has
// an entry too.
func (s *sequence) promptScores() []PromptLogprob {
	if s.req.PromptLogprobs >= 0 && s.prompt == nil {
		return []PromptLogprob{{}}
	}
	return s.prompt
}
