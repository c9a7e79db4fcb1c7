package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// logitRows is how many rows' logits are computed at once: enough to read the
// head's weights once for a usual decode batch, and a bound on memory
// (32 x 50304 x 4 B = 6.4 MB).
const logitRows = 32

// step runs the model once over the planned rows and hands out what it yields.
func (e *Engine) step(ctx context.Context) {
	e.plan()
	if len(e.rows) == 0 {
		return
	}
	start := time.Now()
	stepCtx, cancel := e.stepContext(ctx)
	defer cancel()
	var hidden []float32
	var err error
	fault := e.Guard(func() { hidden, err = e.Runner.Step(stepCtx, e.rows, e.tracer()) })
	switch {
	case fault != nil:
		e.breakDown(fault)
		return
	case err != nil:
		e.stepFailed(err)
		return
	}
	for _, o := range e.owners {
		o.seq.computed = o.pos + 1
	}
	if fault := e.Guard(func() { e.harvest(hidden) }); fault != nil {
		e.breakDown(fault)
		return
	}
	e.Metrics.step(time.Since(start), len(e.rows))
}

// stepContext is cancelled early when no client of the running sequences is left.
func (e *Engine) stepContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	e.cancelStep.Store(&cancel)
	if e.live.Load() == 0 {
		cancel()
	}
	return ctx, cancel
}

// enter counts a sequence's client among those that wait for the step.
func (e *Engine) enter(s *sequence) {
	e.live.Add(1)
	s.unwatch = context.AfterFunc(s.ctx, func() {
		if e.live.Add(-1) == 0 {
			if cancel := e.cancelStep.Load(); cancel != nil {
				(*cancel)()
			}
		}
	})
}

// leave is enter's opposite.
func (e *Engine) leave(s *sequence) {
	if s.unwatch != nil && s.unwatch() {
		e.live.Add(-1)
	}
	s.unwatch = nil
}

// stepFailed ends the sequences of a step that could not be completed, such as
// when experts had no owner for longer than the bound. Nothing partial is used
// (invariant 2).
func (e *Engine) stepFailed(err error) {
	if errors.Is(err, context.Canceled) {
		return // the clients are gone, or the engine is being stopped: admit or Run sees to it
	}
	if !errors.Is(err, ErrNotReady) {
		err = fmt.Errorf("%w: %v", ErrNotReady, err)
	}
	e.Log.Error(err, "step failed", "rows", len(e.rows))
	var last *sequence
	for _, o := range e.owners {
		if o.seq != last {
			e.finish(o.seq, Event{Err: err})
			e.Metrics.failed.Inc()
			last = o.seq
		}
	}
}

// breakDown ends everything: the weights changed under us, so no later answer
// could be trusted.
func (e *Engine) breakDown(err error) {
	e.Log.Error(err, "cannot serve on")
	e.mu.Lock()
	e.broken = err
	e.mu.Unlock()
	e.abandon(fmt.Errorf("%w: %v", ErrNotReady, err))
	e.Fatal(err)
}

// harvest computes logits where they are wanted and uses them.
func (e *Engine) harvest(hidden []float32) {
	h := e.Runner.Config().HiddenSize
	var batch []rowOwner
	for i, o := range e.owners {
		if o.seq.wantsLogits(o.pos) {
			copy(e.hidden[len(batch)*h:(len(batch)+1)*h], hidden[i*h:(i+1)*h])
			batch = append(batch, o)
		}
		if len(batch) == logitRows || (i == len(e.owners)-1 && len(batch) > 0) {
			e.useLogits(batch)
			batch = batch[:0]
		}
	}
	for i, o := range e.owners {
		lastRow := i == len(e.owners)-1 || e.owners[i+1].seq != o.seq
		if lastRow && o.seq.req.MaxTokens == 0 && o.seq.pending() == 0 {
			e.finish(o.seq, Event{Prompt: o.seq.prompt, Finish: FinishLength})
		}
	}
}

// wantsLogits says whether the row at pos is drawn from, scored or traced.
func (s *sequence) wantsLogits(pos int) bool {
	return s.draws(pos) || s.scores(pos) || s.trace != nil
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
}

// useLogits computes a batch's logits, draws and scores in parallel, and hands out
// in order.
func (e *Engine) useLogits(batch []rowOwner) {
	h, v := e.Runner.Config().HiddenSize, e.vocab
	e.Runner.Logits(e.logits[:len(batch)*v], e.hidden[:len(batch)*h], len(batch))
	outcomes := make([]outcome, len(batch))
	e.Runner.Pool().Run(len(batch), func(i int) {
		s, pos, logits := batch[i].seq, batch[i].pos, e.logits[i*v:(i+1)*v]
		if s.scores(pos) {
			outcomes[i].score.Token, outcomes[i].score.Top = e.Logprobs(logits, s.tokens[pos+1], s.req.PromptLogprobs)
		}
		if s.draws(pos) {
			outcomes[i].drawn = e.draw(s, logits)
		}
	})
	for i, o := range batch {
		if o.seq.trace != nil {
			o.seq.trace.Logits(o.pos, e.logits[i*v:(i+1)*v])
		}
		switch { // a row cannot do both: the prompt's last row scores nothing
		case o.seq.scores(o.pos):
			o.seq.addScore(outcomes[i].score)
		case o.seq.draws(o.pos):
			e.emit(o.seq, outcomes[i].drawn)
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
		ev.Logprob, ev.Top = e.Logprobs(logits, ev.Token, s.req.Logprobs)
	}
	return ev
}

// emit adds a drawn token to its sequence and ends the sequence where it ends.
func (e *Engine) emit(s *sequence, ev Event) {
	if ev.Err != nil {
		e.finish(s, Event{Err: ev.Err})
		e.Metrics.failed.Inc()
		return
	}
	ev.HasToken = true
	if s.generated == 0 {
		ev.Prompt = s.promptScores()
	}
	s.generated++
	s.tokens = append(s.tokens, ev.Token)
	switch {
	case s.stop[ev.Token]:
		ev.Finish, ev.Stopped, ev.StopToken = FinishStop, true, ev.Token
	case s.generated >= s.req.MaxTokens || len(s.tokens) >= e.context:
		ev.Finish = FinishLength
	default:
		s.out.put(ev)
		return
	}
	e.finish(s, ev)
}

// promptScores is what goes out with the first event; a prompt of one token has
// an entry too.
func (s *sequence) promptScores() []PromptLogprob {
	if s.req.PromptLogprobs >= 0 && s.prompt == nil {
		return []PromptLogprob{{}}
	}
	return s.prompt
}

// finish sends the last event and takes the sequence out of the running set.
func (e *Engine) finish(s *sequence, last Event) {
	s.out.put(last)
	e.Metrics.finished.Inc()
	e.Metrics.generated.Add(float64(s.generated))
	for i, r := range e.running {
		if r == s {
			e.running = append(e.running[:i], e.running[i+1:]...)
			break
		}
	}
	e.release(s)
}

// Tracer sees a sequence's intermediate values by position. Slices are valid
// during the call only; after a preemption positions come again, equal to the bit.
type Tracer interface {
	Embedding(pos int, x []float32)
	Gate(layer, pos int, ids []int32, weights []float32, gap float32)
	Layer(layer, pos int, x []float32)
	Final(pos int, x []float32)
	Logits(pos int, logits []float32)
}

// rowTracer hands a step's rows to the tracers of their sequences.
type rowTracer struct{ owners []rowOwner }

// tracer is nil, and costs nothing, when no sequence is traced.
func (e *Engine) tracer() model.Tracer {
	for _, o := range e.owners {
		if o.seq.trace != nil {
			return rowTracer{e.owners}
		}
	}
	return nil
}

func (t rowTracer) to(row int, f func(tr Tracer, pos int)) {
	if o := t.owners[row]; o.seq.trace != nil {
		f(o.seq.trace, o.pos)
	}
}

func (t rowTracer) Embedding(row int, x []float32) {
	t.to(row, func(tr Tracer, pos int) { tr.Embedding(pos, x) })
}

func (t rowTracer) Gate(l, row int, ids []int32, w []float32, gap float32) {
	t.to(row, func(tr Tracer, pos int) { tr.Gate(l, pos, ids, w, gap) })
}

func (t rowTracer) Layer(l, row int, x []float32) {
	t.to(row, func(tr Tracer, pos int) { tr.Layer(l, pos, x) })
}

func (t rowTracer) Final(row int, x []float32) {
	t.to(row, func(tr Tracer, pos int) { tr.Final(pos, x) })
}
