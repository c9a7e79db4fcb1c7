package engine_test

import (
	"context"
	"sync"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// atOnce submits requests all of which are there when the first step ends.
func (r *rig) atOnce(t *testing.T, requests ...*engine.Request) (streams []<-chan engine.Event) {
	t.Helper()
	entered, hold := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(entered) })
	r.experts.set(func(context.Context, int) error { first(); <-hold; return nil })
	for _, req := range requests {
		streams = append(streams, r.submit(t, context.Background(), req))
		<-entered
	}
	close(hold)
	return streams
}

// overload answers n equal requests at once, and returns the rows that were computed for
// each that is needed.
func overload(t *testing.T, r *rig, n, prompt, answer int) float64 {
	t.Helper()
	var all []*engine.Request
	for i := range n {
		all = append(all, drawing(text(i+1, prompt), answer, uint64(i+1)))
	}
	for i, ch := range r.atOnce(t, all...) {
		if a := collect(t, ch); a.Err != nil || len(a.Tokens) != answer {
			t.Fatalf("request %d: %d tokens, %v", i, len(a.Tokens), a.Err)
		}
	}
	r.settled(t, "olmoe_engine_kv_pages_used", 0)
	return r.metric(t, "olmoe_engine_rows_total") / float64(n*(prompt+answer-1)) // nothing runs after the last token
}

// What is let into a cache that is too small for all can stay there: little is
// computed twice.
func TestOverloadComputesLittleTwice(t *testing.T) {
	for name, c := range map[string]struct {
		pages, prompt, answer int
		most, mostForgetful   float64 // rows for each that is needed
	}{
		"long prompts, short answers": {32, 190, 60, 1, 1},
		"long prompts and answers":    {40, 120, 120, 1.1, 1.2},
		"prompts like answers":        {32, 100, 100, 1.15, 1.4},
		"short prompts, long answers": {32, 30, 200, 1.45, 1.6},
	} {
		t.Run(name, func(t *testing.T) {
			l := limits()
			l.KVBytes = int64(c.pages) * pageBytes
			for r, most := range map[*rig]float64{start(t, l): c.most, forgetful(t, l): c.mostForgetful} {
				got := overload(t, r, 16, c.prompt, c.answer)
				t.Logf("%.2f rows for each needed, %g preempted", got, r.metric(t, "olmoe_engine_preempted_total"))
				if got > most {
					t.Errorf("%.2f rows computed for each that is needed, want at most %g", got, most)
				}
			}
		})
	}
}

// A sequence that goes back to the queue without having had a page has lost none.
func TestOnlyThoseWithPagesArePreempted(t *testing.T) {
	l := limits()
	l.MaxRows = 2 // one of the prompt beside one that decodes
	l.KVBytes = 17 * pageBytes
	r := start(t, l)
	streams := r.atOnce(t,
		drawing(text(1, 10), 200, 1), // grows into
		drawing(text(2, 200), 1, 2),  // what this one takes, a page each in turns,
		drawing(text(3, 16), 1, 3),   // before this one gets its only page
	)
	for i, ch := range streams {
		if a := collect(t, ch); a.Err != nil {
			t.Errorf("request %d: %v", i, a.Err)
		}
	}
	r.settled(t, "olmoe_engine_preempted_total", 1)
}
