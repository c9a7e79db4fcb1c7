// Package pace lets a process do work that nobody waits for in the background of
// work that somebody does wait for.
package pace

import (
	"context"
	"time"
)

// restTimes as long as a piece of work took its worker rests: it takes a tenth of
// one core.
const restTimes = 9

// LongRest is the longest rest of who makes, reads or writes 8-bit weights in the
// background, a piece of some milliseconds at a time.
const LongRest = 50 * time.Millisecond

// Pace is the rests of one goroutine. A nil Pace has none: somebody waits.
type Pace struct {
	most time.Duration
	last time.Time
}

// New begins a piece of work. No rest is longer than most, so that pieces that
// are slow because of a slow disk are not made slower still.
func New(most time.Duration) *Pace { return &Pace{most: most, last: time.Now()} }

// Rest ends a piece of work and begins the next one after a rest. The error is
// the context's.
func (p *Pace) Rest(ctx context.Context) error {
	if p == nil {
		return ctx.Err()
	}
	select {
	case <-time.After(min(restTimes*time.Since(p.last), p.most)):
	case <-ctx.Done():
		return ctx.Err()
	}
	p.last = time.Now()
	return nil
}
