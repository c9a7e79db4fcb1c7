package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// runStep runs the model once over the planned rows and hands out what it yields.
func (e *Engine) runStep(ctx context.Context) {
	st := &e.step
	defer st.forget()
	e.plan()
	if len(st.rows) == 0 {
		return
	}
	start := time.Now()
	st.ctx = e.clients.context(ctx)
	fault := e.Guard(st.forward)
	switch {
	case fault != nil:
		e.breakDown(fault)
		return
	case st.err != nil:
		e.stepFailed(st.err)
		return
	}
	e.keepSound()
	if fault := e.Guard(st.sample); fault != nil {
		e.breakDown(fault)
		return
	}
	e.Metrics.step(time.Since(start), len(st.rows), e.Runner.Halves(len(st.rows)))
}

// forward runs the model over the step's rows.
func (e *Engine) forward() {
	st := &e.step
	st.hidden, st.err = e.Runner.Step(st.ctx, st.rows, st.tracer())
}

// errNotFinite ends a sequence: what a model computes is finite, so this is no answer.
var errNotFinite = errors.New("the model computed NaN or infinity: an expert node answers with wrong numbers, or memory is bad")

// keepSound advances the rows of the step and ends the sequences of those that are not
// finite, before anything is drawn from them, scored or kept for others: a page with such
// a row would fail whatever begins alike, long after its cause is gone (invariant 1). To
// look at the last layer's is enough: what is not finite stays so in the residual stream,
// and whatever attends to it is not finite either.
func (e *Engine) keepSound() {
	h := e.Runner.Config().HiddenSize
	for i, o := range e.step.owners {
		switch {
		case o.seq.ended: // an earlier row of it
		case finite(e.step.hidden[i*h : (i+1)*h]):
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
	e.Log.Error(err, "step failed", "rows", len(e.step.rows))
	for _, o := range e.step.owners {
		if !o.seq.ended {
			e.finish(o.seq, Event{Err: err})
		}
	}
}

// breakDown ends everything: the weights changed under us, so no later answer
// could be trusted.
func (e *Engine) breakDown(err error) {
	e.Log.Error(err, "cannot serve on")
	e.abandon(fmt.Errorf("%w: %v", ErrFailed, err))
	e.Fatal(err)
}
