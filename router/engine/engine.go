package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Limits bound the engine (invariant 8).
type Limits struct {
	// MaxSequences run at once; each takes a row of every decode step.
	MaxSequences int
	// MaxQueue sequences wait for a place; one more is refused with ErrQueueFull.
	MaxQueue int
	// MaxQueueWait ends a sequence that had no place for so long, with ErrQueueWait;
	// 0 = none does, for who asks for a known number of them and waits for all.
	MaxQueueWait time.Duration
	// MaxRows is the token budget of a step: decode rows first, prefill chunks with
	// what is left. Larger steps use the machine better and make every stream wait
	// longer for its next token.
	MaxRows int
	// KVBytes bounds the KV cache.
	KVBytes int64
}

// Options make an Engine.
type Options struct {
	Limits
	Runner     *model.Runner
	NewSampler func(Sampling, []int32) Sampler
	// KVType is what the KV cache stores, BF16 or F32; 0 = F32.
	KVType tensor.DType
	// PrefixCache: what is computed of a prompt serves every request that begins alike.
	PrefixCache bool
	// Logprobs returns the log-probability of token and the n largest.
	Logprobs func(logits []float32, token int32, n int) (TokenLogprob, []TokenLogprob)
	// Guard runs a step and turns a fault in mapped weights into an error.
	Guard   func(func()) error
	Fatal   func(error) // called once, when serving on would be wrong
	Log     logr.Logger
	Metrics *Metrics
}

// Engine runs sequences in steps: one loop owns all state but the queue, which requests
// enter and leave under its lock, and the count of clients; events leave by an outbox a
// request.
type Engine struct {
	Options
	context int // longest sequence: the model's, or what the KV cache holds
	vocab   int
	eos     []int32

	queue   queue
	clients clients      // of the running sequences
	active  atomic.Int64 // sequences, queued or running

	// The loop's own.
	pages   *model.Pages
	running []*sequence
	step    stepState
}

// New makes an engine; Run starts it. Without memory for the KV cache there is none.
func New(o Options) (*Engine, error) {
	c := o.Runner.Config()
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.KVType == 0 {
		o.KVType = tensor.F32
	}
	pages, err := model.NewPages(o.Runner.Trunk, o.KVType, o.KVBytes)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		Options: o, context: min(c.MaxPositionEmbeddings, pages.Total()*model.PageTokens), vocab: c.VocabSize, eos: c.EOSTokenIDs, pages: pages,
		queue: queue{max: o.MaxQueue, maxWait: o.MaxQueueWait, length: o.Metrics.queued, waited: o.Metrics.queueSeconds, wake: make(chan struct{}, 1)},
		step:  newStepState(c.HiddenSize, c.VocabSize),
	}
	if e.context < c.MaxPositionEmbeddings {
		o.Log.Info("the KV cache bounds the context", "tokens", e.context, "model", c.MaxPositionEmbeddings)
	}
	e.queue.reap = e.reapQueued
	e.step.forward, e.step.sample, e.step.useRow = e.forward, e.sample, e.useRow
	return e, nil
}

// EndAt makes a token end sequences, besides those that the model's configuration names. It
// comes before Run.
func (e *Engine) EndAt(id int32) {
	if !slices.Contains(e.eos, id) {
		e.eos = append(slices.Clip(e.eos), id) // the configuration's own list stays as it is
	}
}

// Submit implements Generator.
func (e *Engine) Submit(ctx context.Context, r *Request) (<-chan Event, error) {
	return e.SubmitTraced(ctx, r, nil)
}

// SubmitTraced also shows the sequence's intermediate values to tr.
func (e *Engine) SubmitTraced(ctx context.Context, r *Request, tr Tracer) (<-chan Event, error) {
	if err := e.check(r); err != nil {
		return nil, err
	}
	s := e.newSequence(ctx, r, tr)
	e.active.Add(1) // before the loop knows of s, which counts it off
	if err := e.queue.push(s); err != nil {
		e.active.Add(-1)
		if errors.Is(err, ErrQueueFull) {
			e.Metrics.refused.Inc()
		}
		return nil, err
	}
	ch := make(chan Event)
	go s.out.deliver(ctx, ch)
	return ch, nil
}

// check refuses what no step could compute.
func (e *Engine) check(r *Request) error {
	switch {
	case len(r.Prompt) == 0:
		return fmt.Errorf("%w: the prompt is empty", ErrTokenRange)
	case len(r.Prompt) > e.context || r.MaxTokens > 0 && len(r.Prompt) >= e.longest(r):
		return fmt.Errorf("%w: %d prompt tokens, the context holds %d", ErrContextFull, len(r.Prompt), e.context)
	}
	for i, id := range r.Prompt {
		if id < 0 || int(id) >= e.vocab {
			return fmt.Errorf("%w: prompt token %d is %d, the vocabulary has %d", ErrTokenRange, i, id, e.vocab)
		}
	}
	return nil
}

// longest is how many tokens, of the prompt and generated, end a sequence.
func (e *Engine) longest(r *Request) int {
	if r.AfterContext {
		return e.context + 1
	}
	return e.context
}

func (e *Engine) newSequence(ctx context.Context, r *Request, tr Tracer) *sequence {
	s := &sequence{ctx: ctx, req: r, out: newOutbox(), stop: map[int32]bool{}, trace: tr}
	s.tokens = append(s.tokens, r.Prompt...)
	s.sampler = e.NewSampler(r.Sampling, r.Prompt)
	for _, id := range r.StopTokenIDs {
		s.stop[id] = true
	}
	if !r.IgnoreEOS {
		for _, id := range e.eos {
			s.stop[id] = true
		}
	}
	if r.MinTokens > 0 {
		for id := range s.stop {
			s.ban = append(s.ban, id)
		}
	}
	return s
}

// Active is the number of requests queued or running.
func (e *Engine) Active() int { return int(e.active.Load()) }

// Run is the engine's loop; it returns when ctx ends, after failing what is left: with
// ErrFailed if that is the cause, else because the router drains.
func (e *Engine) Run(ctx context.Context) {
	for {
		e.admit()
		if len(e.running) == 0 {
			select {
			case <-e.queue.wake:
				continue
			case <-ctx.Done():
				e.abandon(stopped(ctx))
				return
			}
		}
		if ctx.Err() != nil {
			e.abandon(stopped(ctx))
			return
		}
		e.runStep(ctx)
	}
}

// stopped says why the loop is told to end.
func stopped(ctx context.Context) error {
	if why := context.Cause(ctx); errors.Is(why, ErrFailed) {
		return why
	}
	return ErrDraining
}

// Context is the length of the longest sequence, prompt and generated.
func (e *Engine) Context() int { return e.context }
