package engine_test

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// A sequence waits only for room that it can use: not for pages that it would share, and
// not for a place of the last token, after which nothing is computed.
func TestRoomThatIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		pages         int64
		first, second []int32
		tokens        int
	}{
		"shared pages":   {10, text(1, 64), text(1, 64), 40},
		"the last token": {4, text(1, 30), text(2, 30), 3},
	} {
		t.Run(name, func(t *testing.T) {
			l := limits()
			l.KVBytes = c.pages * pageBytes
			r := start(t, l)
			begun, let := r.stepwise(t)
			first := r.submit(t, t.Context(), drawing(c.first, c.tokens, 0))
			<-begun
			second := r.submit(t, t.Context(), drawing(c.second, c.tokens, 0))
			let <- struct{}{}
			<-begun
			if got := r.metric(t, "olmoe_engine_running_sequences"); got != 2 {
				t.Errorf("%g sequences run, want both", got)
			}
			r.experts.set(nil)
			let <- struct{}{}
			for _, ch := range []<-chan engine.Event{first, second} {
				if a := collect(t, ch); a.Err != nil || len(a.Tokens) != c.tokens {
					t.Errorf("%d tokens, %v", len(a.Tokens), a.Err)
				}
			}
		})
	}
}
