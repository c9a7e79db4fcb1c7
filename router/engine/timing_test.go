package engine_test

import (
	"context"
	"testing"
	"time"
)

// Events have the time at which they came about, not that at which they are read.
func TestEventsHaveTheirTime(t *testing.T) {
	r, last := start(t, limits()), time.Now()
	ch := r.submit(t, context.Background(), request(1))
	r.settled(t, "olmoe_engine_finished_total", 1)
	read := time.Now()
	for ev := range ch {
		if ev.At.Before(last) || ev.At.After(read) {
			t.Errorf("an event of %v, after one of %v and read at %v", ev.At, last, read)
		}
		last = ev.At
	}
}
