package local

import (
	"context"
	"errors"
	"testing"
)

// What ended the work is told: a process that fails for good, not what its absence did to
// the work; an error of the work's own where none failed, or where somebody interrupts all.
func TestWhile(t *testing.T) {
	lost, own := errors.New("a node is lost"), errors.New("no answer")
	untilItEnds := func(ctx context.Context) error { <-ctx.Done(); return own }
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	for name, c := range map[string]struct {
		ctx          context.Context
		failed, want error
		work         func(context.Context) error
	}{
		"a process fails":       {t.Context(), lost, lost, untilItEnds},
		"the work fails":        {t.Context(), nil, own, func(context.Context) error { return own }},
		"the work is done":      {t.Context(), nil, nil, func(context.Context) error { return nil }},
		"somebody interrupts":   {interrupted, nil, own, untilItEnds},
		"done, and then a loss": {t.Context(), lost, nil, func(ctx context.Context) error { <-ctx.Done(); return nil }},
	} {
		p := &Pool{failed: make(chan error, 1)}
		if c.failed != nil {
			p.failed <- c.failed
		}
		if err := p.While(c.ctx, c.work); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
