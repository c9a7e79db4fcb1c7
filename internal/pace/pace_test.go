package pace

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestRestIsNineTimesTheWork(t *testing.T) {
	p := New(time.Hour)
	time.Sleep(3 * time.Millisecond)
	start := time.Now()
	if err := p.Rest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 27*time.Millisecond {
		t.Errorf("rest of %v after work of 3 ms", d)
	}
	start = time.Now() // the rest is no work
	if err := p.Rest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 20*time.Millisecond {
		t.Errorf("rest of %v after no work", d)
	}
}

func TestRestIsBounded(t *testing.T) {
	p := New(time.Millisecond)
	p.last = time.Now().Add(-time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.Rest(ctx); err != nil {
		t.Errorf("%v: the rest was not bounded", err)
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
