package engine_test

import (
	"context"
	"errors"
	"testing"

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
