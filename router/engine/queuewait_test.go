package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// patience is short for a test, and long for what a busy machine does in between.
const patience = 500 * time.Millisecond

// impatient is an engine whose queue nothing waits in for long.
func impatient(t *testing.T, change func(*engine.Limits)) *rig {
	l := limits()
	l.MaxQueueWait = patience
	change(&l)
	return start(t, l)
}

// overdue expects the end of a sequence that waited for too long.
func overdue(t *testing.T, r *rig, a answer) {
	t.Helper()
	var busy *engine.BusyError
	if !errors.Is(a.Err, engine.ErrQueueWait) || !errors.As(a.Err, &busy) || busy.Waited != patience {
		t.Errorf("it waited in vain and ended with %#v", a.Err)
	}
	if got := r.metric(t, "olmoe_engine_queue_timeouts_total"); got != 1 {
		t.Errorf("%g sequences are counted", got)
	}
}

// Invariant 8: who has no place in time is told so, also while a step waits for experts. The
// wait is seen of all: those that got a place, hung up, were overdue, or left by a stop.
func TestTheWaitInTheQueueIsBounded(t *testing.T) {
	r := impatient(t, func(l *engine.Limits) { l.MaxSequences = 1 })
	begun, let := r.stepwise(t)
	first := r.submit(t, t.Context(), request(1))
	<-begun
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r.submit(t, ctx, request(2))
	r.settled(t, "olmoe_engine_cancelled_total", 1)
	overdue(t, r, r.ask(t, request(3)))
	r.settled(t, "olmoe_engine_queued_sequences", 0)
	if n := r.Active(); n != 1 {
		t.Errorf("%d active, want the first alone", n)
	}
	r.submit(t, t.Context(), request(4))
	r.experts.set(nil)
	close(let)
	if a := collect(t, first); a.Err != nil {
		t.Errorf("the first, which had its place: %v", a.Err)
	}
	r.stop()
	<-r.stopped
	if got := r.observed(t, "olmoe_engine_queue_seconds"); got != 4 {
		t.Errorf("the wait of %d of 4 sequences is seen", got)
	}
}

// A sequence that was put back has begun: it is not given up.
func TestAPreemptedSequenceIsNeverOverdue(t *testing.T) {
	r := impatient(t, func(l *engine.Limits) { l.KVBytes = 8 * pageBytes })
	begun, let := r.stepwise(t)
	first := r.submit(t, t.Context(), drawing(text(1, 30), 90, 0))
	<-begun
	second := r.submit(t, t.Context(), drawing(text(2, 30), 90, 0))
	for r.metric(t, "olmoe_engine_preempted_total") == 0 {
		let <- struct{}{}
		<-begun
	}
	overdue(t, r, r.ask(t, drawing(text(3, 30), 1, 0)))
	r.experts.set(nil)
	close(let)
	for i, ch := range []<-chan engine.Event{first, second} {
		if a := collect(t, ch); a.Err != nil || len(a.Tokens) != 90 {
			t.Errorf("request %d: %d tokens, %v", i, len(a.Tokens), a.Err)
		}
	}
	if got := r.observed(t, "olmoe_engine_queue_seconds"); got != 3 {
		t.Errorf("%d waits are seen, want one for each sequence", got)
	}
}
