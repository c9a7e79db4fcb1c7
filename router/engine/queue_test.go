package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// stepwise holds every step at its first layer: begun yields when one is there, and each
// value of let lets one go, as the test's end does all.
func (r *rig) stepwise(t *testing.T) (begun <-chan struct{}, let chan<- struct{}) {
	b, l, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(ended) })
	r.experts.set(func(_ context.Context, layer int) error {
		if layer > 0 {
			return nil
		}
		select {
		case b <- struct{}{}:
		case <-ended:
		}
		select {
		case <-l:
		case <-ended:
		}
		return nil
	})
	return b, l
}

func TestQueueIsBounded(t *testing.T) {
	l := limits()
	l.MaxSequences, l.MaxQueue = 1, 2
	r := start(t, l)
	hold := make(chan struct{})
	entered := make(chan struct{}, 1000)
	r.experts.set(func(context.Context, int) error { entered <- struct{}{}; <-hold; return nil })
	first := r.submit(t, context.Background(), request(1))
	<-entered
	second, third := r.submit(t, context.Background(), request(2)), r.submit(t, context.Background(), request(3))
	_, err := r.Submit(context.Background(), request(4))
	var busy *engine.BusyError
	if !errors.Is(err, engine.ErrQueueFull) || !errors.As(err, &busy) || busy.Waited <= 0 {
		t.Errorf("a fourth request: %#v", err)
	}
	close(hold)
	for _, ch := range []<-chan engine.Event{first, second, third} {
		if a := collect(t, ch); a.Err != nil {
			t.Errorf("accepted: %v", a.Err)
		}
	}
}

// While a step waits for experts the queue is seen, and has no place for the dead.
func TestQueueWhileAStepWaits(t *testing.T) {
	l := limits()
	l.MaxQueue = 8
	r := start(t, l)
	begun, let := r.stepwise(t)
	first := r.submit(t, context.Background(), request(1))
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	for i := range l.MaxQueue {
		r.submit(t, ctx, request(i))
	}
	if got := r.metric(t, "olmoe_engine_queued_sequences"); got != 8 {
		t.Errorf("8 wait, %g are seen", got)
	}
	cancel()
	r.settled(t, "olmoe_engine_queued_sequences", 0)
	r.settled(t, "olmoe_engine_cancelled_total", 8)
	if got := r.Active(); got != 1 {
		t.Errorf("%d active after all that waited hung up, want 1", got)
	}
	next := r.submit(t, context.Background(), request(2)) // not refused
	r.experts.set(nil)
	close(let)
	collect(t, first)
	collect(t, next)
	r.settled(t, "olmoe_engine_finished_total", 2)
}

func TestHangUpFreesWithinAStep(t *testing.T) {
	r := start(t, limits())
	begun, let := r.stepwise(t)
	var hangUp []context.CancelFunc
	var streams []<-chan engine.Event
	for i := range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		req := request(i)
		req.MaxTokens = 100
		hangUp, streams = append(hangUp, cancel), append(streams, r.submit(t, ctx, req))
	}
	for range 4 { // all run then
		<-begun
		let <- struct{}{}
	}
	for i, left := range []int{2, 1} {
		<-begun
		hangUp[2*i]() // the first, then the last
		let <- struct{}{}
		<-begun // the next step
		if got := r.Active(); got != left {
			t.Errorf("%d active when the step after the hang-up begins, want %d", got, left)
		}
		if got := r.metric(t, "olmoe_engine_running_sequences"); got != float64(left) {
			t.Errorf("%g sequences in it, want %d", got, left)
		}
		let <- struct{}{}
	}
	<-begun
	r.experts.set(nil)
	hangUp[1]()
	close(let)
	for _, ch := range streams {
		for range ch {
		}
	}
	r.settled(t, "olmoe_engine_cancelled_total", 3)
	r.settled(t, "olmoe_engine_kv_pages_used", 0)
}

// A step that waits for experts ends when nobody is left to wait for it, each time, and
// goes on while somebody is.
func TestHangUpEndsAWaitingStep(t *testing.T) {
	r := start(t, limits())
	left := 0
	for _, clients := range []int{1, 2, 3} {
		entered := r.experts.stall()
		ctx, cancel := context.WithCancel(context.Background())
		var streams []<-chan engine.Event
		for i := range clients {
			streams = append(streams, r.submit(t, ctx, request(i)))
		}
		<-entered
		cancel()
		for _, ch := range streams {
			for range ch {
			}
		}
		r.experts.set(func(ctx context.Context, _ int) error {
			if ctx.Err() != nil {
				t.Error("a step ends for which a client waits")
			}
			return nil
		})
		if got := r.ask(t, request(3)); got.Err != nil {
			t.Errorf("the next request: %v", got.Err)
		}
		left += clients
		r.settled(t, "olmoe_engine_cancelled_total", float64(left))
	}
}
