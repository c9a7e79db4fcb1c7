package engine_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// scoring asks for the probabilities of a prompt and for no answer (echo with logprobs).
func scoring(prompt []int32) *engine.Request {
	return &engine.Request{Prompt: prompt, IgnoreEOS: true, Logprobs: -1, PromptLogprobs: 0}
}

// refused expects the error that tells of numbers which are not finite, and nothing else.
func refused(t *testing.T, a answer) {
	t.Helper()
	if a.Err == nil || !strings.Contains(a.Err.Error(), "NaN or infinity") || a.Finish != engine.FinishNone || a.Prompt != nil {
		t.Errorf("it ended %q with %d scores and the error %v", a.Finish, len(a.Prompt), a.Err)
	}
}

// A number that is not finite, in whatever layer, ends the request in every form, and
// nothing that was computed with it is kept: sound experts serve the same prompt.
func TestWhatIsNotFiniteEndsTheRequest(t *testing.T) {
	reference := forgetful(t, limits())
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	seed := uint64(0)
	for _, c := range []struct {
		name  string
		layer int
		at    int // of the answers, from the end; -1 = all
		value float32
	}{
		{"all NaN", 0, -1, nan}, {"one NaN in the last layer", 1, 0, nan},
		{"one infinity", 0, 0, inf}, {"one infinity in the first row", 1, 63, -inf},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, limits())
			prompt := text(1, 70) // more than a step's rows
			r.experts.lies(func(layer int, out []float32) {
				for i := range out {
					if layer == c.layer && (c.at < 0 || i == len(out)-1-c.at) {
						out[i] = c.value
					}
				}
			})
			for _, req := range []*engine.Request{drawing(prompt, 3, 0), drawing(prompt, 0, 0), scoring(prompt), drawing(prompt[:1], 3, 0)} {
				refused(t, r.ask(t, req))
			}
			r.settled(t, "olmoe_engine_kv_pages_used", 0)
			r.experts.lies(nil)
			for _, n := range []int{70, 70, 33} {
				seed++
				req := drawing(prompt[:n], 3, seed)
				same(t, r, reference, req, r.ask(t, req))
			}
			if err := equal(reference.ask(t, scoring(prompt)), r.ask(t, scoring(prompt))); err != nil {
				t.Error(err)
			}
		})
	}
}

// Beside a sequence that fails others go on, to the same bits, and what it computed
// before stays known.
func TestOthersOutliveARowThatIsNotFinite(t *testing.T) {
	r, reference := start(t, limits()), forgetful(t, limits())
	both := make(chan struct{})
	r.experts.set(func(context.Context, int) error { <-both; return nil })
	calls := 0
	r.experts.lies(func(_ int, out []float32) {
		if calls++; calls == 20 { // both decode: the first row is the first one's
			out[0] = float32(math.NaN())
		}
	})
	victim := r.submit(t, t.Context(), drawing(text(1, 40), 60, 1))
	other := r.submit(t, t.Context(), drawing(text(2, 20), 60, 2))
	close(both)
	failed := collect(t, victim)
	refused(t, failed)
	if n := len(failed.Tokens); n == 0 || n > 12 {
		t.Errorf("%d tokens before it failed", n)
	}
	same(t, r, reference, drawing(text(2, 20), 60, 2), collect(t, other))
	again := drawing(text(1, 40), 3, 3)
	a := r.ask(t, again)
	same(t, r, reference, again, a)
	if a.Cached != 32 {
		t.Errorf("%d tokens cached, want 32", a.Cached)
	}
}

// Where only the probabilities are wrong, they do not go out either.
func TestAScoreThatIsNotFiniteFails(t *testing.T) {
	r := start(t, limits())
	for _, v := range []float32{float32(math.NaN()), float32(math.Inf(-1)), float32(math.Inf(1))} {
		r.spoilt.Store(&v)
		refused(t, r.ask(t, scoring(text(1, 70))))
		refused(t, r.ask(t, drawing(text(1, 70), 3, 0)))
	}
}
