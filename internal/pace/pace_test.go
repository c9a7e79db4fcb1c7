package pace

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A rest is nine times the work before it, and no longer than most; the rest itself is
// no work.
func TestRest(t *testing.T) {
	for _, c := range []struct{ most, work, want time.Duration }{
		{time.Hour, 3 * time.Millisecond, 27 * time.Millisecond},
		{time.Hour, 0, 0},
		{time.Millisecond, time.Hour, time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := New(c.most)
			for range 2 {
				time.Sleep(c.work)
				start := time.Now()
				if err := p.Rest(t.Context()); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d != c.want {
					t.Errorf("rest of %v after work of %v, at most %v; want %v", d, c.work, c.most, c.want)
				}
			}
		})
	}
}

func TestRestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := New(time.Hour)
	p.last = time.Now().Add(-time.Hour)
	for _, p := range []*Pace{nil, p} {
		if err := p.Rest(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
}
