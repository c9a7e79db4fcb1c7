package engine

import (
	"context"
	"sync/atomic"
)

// clients are those of the running sequences: a step that none of them waits for any
// more ends early. They hang up beside the loop, so that what this touches is atomic.
type clients struct {
	waiting atomic.Int64                       // have not hung up
	ctx     context.Context                    // of steps, the loop's own
	cancel  atomic.Pointer[context.CancelFunc] // of ctx
}

// context is the next step's: the last one's, if that is still good. It is cancelled when
// no client is left, at once if none is.
func (c *clients) context(ctx context.Context) context.Context {
	if c.ctx == nil || c.ctx.Err() != nil {
		fresh, cancel := context.WithCancel(ctx)
		c.ctx = fresh
		c.cancel.Store(&cancel)
	}
	if c.waiting.Load() == 0 {
		(*c.cancel.Load())()
	}
	return c.ctx
}

// enter counts a sequence's client among those that wait for the step.
func (c *clients) enter(s *sequence) {
	s.unwatch()
	c.waiting.Add(1)
	s.running = true
	s.unwatch = context.AfterFunc(s.ctx, func() {
		if c.waiting.Add(-1) == 0 {
			if cancel := c.cancel.Load(); cancel != nil {
				(*cancel)()
			}
		}
	})
}

// leave watches a sequence's client no more, be it running or queued.
func (c *clients) leave(s *sequence) {
	if s.unwatch() && s.running {
		c.waiting.Add(-1)
	}
	s.running = false
}
