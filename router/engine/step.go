package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// step runs the model once over the planned rows and hands out what it yields.
func (e *Engine) step(ctx context.Context) {
	e.plan()
	if len(e.rows) == 0 {
		return
	}
	defer e.forget()
	start := time.Now()
	e.freshContext(ctx)
	fault := e.Guard(e.now.forward)
	switch {
	case fault != nil:
		e.breakDown(fault)
		return
	case e.now.err != nil:
		e.stepFailed(e.now.err)
		return
	}
	e.keepSound(e.now.hidden)
	if fault := e.Guard(e.now.harvest); fault != nil {
		e.breakDown(fault)
		return
	}
	e.Metrics.step(time.Since(start), len(e.rows), e.Runner.Halves(len(e.rows)))
}

// forget drops the step's rows: an engine at rest holds on to no sequence that has ended.
func (e *Engine) forget() {
	clear(e.rows)
	clear(e.owners)
}

// current is what one step needs, made once: a step allocates nothing.
type current struct {
	ctx    context.Context // cancelled when no client of the running sequences is left
	hidden []float32       // what the step gave
	err    error

	batch    []rowOwner // rows whose logits are computed together
	outcomes []outcome  // and what they gave

	forward, harvest func()
	use              func(i int)
}

func (e *Engine) bind() {
	e.now.forward = func() { e.now.hidden, e.now.err = e.Runner.Step(e.now.ctx, e.rows, e.tracer()) }
	e.now.harvest = func() { e.harvest(e.now.hidden) }
	e.now.use = e.useRow
	e.now.batch, e.now.outcomes = make([]rowOwner, 0, logitRows), make([]outcome, logitRows)
}

// freshContext makes the step's context, unless the last step's is still good. It is
// cancelled early when no client of the running sequences is left.
func (e *Engine) freshContext(ctx context.Context) {
	if e.now.ctx == nil || e.now.ctx.Err() != nil {
		fresh, cancel := context.WithCancel(ctx)
		e.now.ctx = fresh
		e.cancelStep.Store(&cancel)
	}
	if e.live.Load() == 0 {
		(*e.cancelStep.Load())()
	}
}

// enter counts a sequence's client among those that wait for the step.
func (e *Engine) enter(s *sequence) {
	s.unwatch()
	e.live.Add(1)
	s.running = true
	s.unwatch = context.AfterFunc(s.ctx, func() {
		if e.live.Add(-1) == 0 {
			if cancel := e.cancelStep.Load(); cancel != nil {
				(*cancel)()
			}
		}
	})
}

// leave watches a sequence's client no more.
func (e *Engine) leave(s *sequence) {
	if s.unwatch() && s.running {
		e.live.Add(-1)
	}
	s.running = false
}

// errNotFinite ends a sequence: what a model computes is finite, so this is no answer.
var errNotFinite = errors.New("the model computed NaN or infinity: an expert node answers with wrong numbers, or memory is bad")

// keepSound advances the rows of the step and ends the sequences of those that are not
// finite, before anything is drawn from them, scored or kept for others: a page with such
// a row would fail whatever begins alike, long after its cause is gone (invariant 1). To
// look at the last layer's is enough: what is not finite stays so in the residual stream,
// and whatever attends to it is not finite either.
func (e *Engine) keepSound(hidden []float32) {
	h := e.Runner.Config().HiddenSize
	for i, o := range e.owners {
		switch {
		case o.seq.ended: // an earlier row of it
		case finite(hidden[i*h : (i+1)*h]):
			e.advance(o.seq, o.pos)
		default:
			e.finish(o.seq, Event{Err: fmt.Errorf("position %d: %w", o.pos, errNotFinite)})
		}
	}
}

// finite says that a row has neither NaN nor infinity: its sum of squares would have it
// too, and cannot overflow after the final norm.
func finite(row []float32) bool { return kernels.Dot(row, row) <= math.MaxFloat32 }

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
	for _, o := range e.owners {
		if !o.seq.ended {
			e.finish(o.seq, Event{Err: err})
		}
	}
}

// breakDown ends everything: the weights changed under us, so no later answer
// could be trusted.
func (e *Engine) breakDown(err error) {
	e.Log.Error(err, "cannot serve on")
	e.abandon(fmt.Errorf("%w: %v", ErrNotReady, err))
	e.Fatal(err)
}
