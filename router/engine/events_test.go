package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// A token goes out when it is drawn, while the next step runs.
func TestTokensGoOutOneByOne(t *testing.T) {
	r := start(t, limits())
	begun, let := r.stepwise(t)
	ch := r.submit(t, context.Background(), request(1)) // its prompt fits in a step
	<-begun
	for i := range 3 {
		let <- struct{}{}
		<-begun // the next step
		select {
		case ev := <-ch:
			if !ev.HasToken || ev.Finish != engine.FinishNone {
				t.Errorf("event %d is %+v", i, ev)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("token %d does not come while the next one is computed", i)
		}
	}
}

// tracer keeps the logits of each position.
type tracer struct{ logits map[int][]float32 }

func (tracer) Embedding(int, []float32)                   {}
func (tracer) Gate(int, int, []int32, []float32, float32) {}
func (tracer) Layer(int, int, []float32)                  {}
func (tracer) Final(int, []float32)                       {}
func (tr tracer) Logits(pos int, logits []float32)        { tr.logits[pos] = slices.Clone(logits) }

// A trace shows the logits of every position, each of its own row, wherever in a step
// that is.
func TestTraceShowsEveryPosition(t *testing.T) {
	prompt := text(1, 40)
	trace := func(rows int) map[int][]float32 {
		l := limits()
		l.MaxSequences, l.MaxRows = 1, rows
		tr := tracer{map[int][]float32{}}
		ch, err := start(t, l).SubmitTraced(context.Background(), drawing(prompt, 1, 0), tr)
		if err != nil {
			t.Fatal(err)
		}
		collect(t, ch)
		return tr.logits
	}
	many, single := trace(24), trace(1)
	for pos := range prompt {
		if len(single[pos]) == 0 || !slices.Equal(many[pos], single[pos]) {
			t.Errorf("position %d: %d logits in a step of many rows differ from %d in one of its own", pos, len(many[pos]), len(single[pos]))
		}
	}
}

// A prompt of one token has one entry without a probability, if it is asked for.
func TestScoresOfOneToken(t *testing.T) {
	r := start(t, limits())
	for _, answer := range []int{0, 1} {
		for scores, want := range map[int]int{-1: 0, 0: 1, 2: 1} {
			req := drawing([]int32{7}, answer, 0)
			req.PromptLogprobs = scores
			if got := r.ask(t, req).Prompt; len(got) != want {
				t.Errorf("%d entries for %d alternatives and an answer of %d, want %d", len(got), scores, answer, want)
			}
		}
	}
}
