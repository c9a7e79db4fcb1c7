package engine_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// A sequence counts once, by how it ended, and its tokens however it did. Of those that are
// given up, a client that found its stop string has not hung up, nor has one whose request
// was refused as a whole.
func TestEndsAreCountedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		cause, fault                error
		finished, cancelled, failed float64
	}{
		"to its end":    {finished: 1},
		"has enough":    {cause: engine.ErrEnough, finished: 1},
		"hung up":       {cause: context.Canceled, cancelled: 1},
		"given up":      {cause: engine.ErrGivenUp},
		"without nodes": {fault: errors.New("no owner"), failed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, limits())
			begun, let := r.stepwise(t)
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			req := request(1) // fits in a step
			ch := r.submit(t, ctx, req)
			for range 3 {
				<-begun
				let <- struct{}{}
			}
			<-begun // three tokens are drawn
			r.experts.set(func(context.Context, int) error { return c.fault })
			if c.cause != nil {
				cancel(c.cause)
			}
			let <- struct{}{}
			for range ch {
			}
			r.settled(t, "olmoe_engine_running_sequences", 0)
			for metric, want := range map[string]float64{
				"olmoe_engine_finished_total": c.finished, "olmoe_engine_cancelled_total": c.cancelled, "olmoe_engine_failed_total": c.failed,
			} {
				if got := r.metric(t, metric); got != want {
					t.Errorf("%s is %g, want %g", metric, got, want)
				}
			}
			if got := r.metric(t, "olmoe_engine_generated_tokens_total"); got < 3 {
				t.Errorf("%g tokens counted of at least 3", got)
			}
		})
	}
}

// An engine at rest holds nothing of requests that have ended, however many waited once.
func TestEndedRequestsAreLetGo(t *testing.T) {
	l := limits()
	l.MaxSequences = 3
	l.KVBytes = 24 * pageBytes // some are preempted
	r := start(t, l)
	begun := r.experts.stall()
	ctx, hangUp := context.WithCancel(context.Background())
	r.submit(t, ctx, request(0))
	<-begun
	var streams []<-chan engine.Event
	var left []weak.Pointer[engine.Request]
	for i := range 40 {
		req := request(i)
		req.MaxTokens += 100
		left, streams = append(left, weak.Make(req)), append(streams, r.submit(t, context.Background(), req))
	}
	r.experts.set(nil)
	hangUp()
	for _, ch := range streams {
		collect(t, ch)
	}
	if r.metric(t, "olmoe_engine_preempted_total") == 0 {
		t.Error("no sequence was preempted")
	}
	for deadline := time.Now().Add(5 * time.Second); len(left) > 0; left = held(left) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of 40 ended requests are held", len(left))
		}
		runtime.GC()
	}
}

// held are the requests that are still in memory.
func held(all []weak.Pointer[engine.Request]) (left []weak.Pointer[engine.Request]) {
	for _, p := range all {
		if p.Value() != nil {
			left = append(left, p)
		}
	}
	return left
}
