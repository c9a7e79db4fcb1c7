package dispatch

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// paceSamples of each size class are remembered: enough for a 95th percentile
	// that rests on six of them, few enough to follow a change within seconds.
	paceSamples = 128
	// paceRefresh: the percentile is worked out anew after so many answers.
	paceRefresh = 16
	// paceFactor times the 95th percentile is late. Hedging after about that
	// percentile cuts the tail for a few percent more work (Dean and Barroso, The
	// Tail at Scale, 2013); twice as much leaves room for a burst.
	paceFactor = 2
	// paceMedians times the median is late as well, if that is sooner: on a machine with
	// more work than cores the percentile is the scheduler's, not the node's.
	paceMedians = 10
	// paceFloor: below this the scheduler and the garbage collector of a busy
	// machine make delays that no other node would cure. It is most of what a frozen
	// node costs a pool of quick steps.
	paceFloor = 10 * time.Millisecond
	// paceClasses are powers of two of pairs; a frame has fewer than 2^16.
	paceClasses = 17
)

// pace knows how long requests usually take, by size, and so when one is late.
type pace struct{ classes [paceClasses]paceClass }

// paceClass is the requests of 2^(i-1) to 2^i - 1 pairs.
type paceClass struct {
	mu     sync.Mutex
	recent [paceSamples]time.Duration // a ring
	n      int                        // answers so far
	late   atomic.Int64               // nanoseconds; 0 = not known yet
}

// answered notes a round trip.
func (p *pace) answered(pairs int, took time.Duration) {
	c := &p.classes[bits.Len(uint(pairs))]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent[c.n%paceSamples] = took
	c.n++
	if c.n%paceRefresh == 0 {
		p50, p95 := c.percentiles()
		c.late.Store(int64(max(paceFloor, min(paceFactor*p95, paceMedians*p50))))
	}
}

// percentiles are the 50th and the 95th of what is remembered. The caller holds
// the lock.
func (c *paceClass) percentiles() (p50, p95 time.Duration) {
	sorted := c.recent // a copy, on the stack
	s := sorted[:min(c.n, paceSamples)]
	slices.Sort(s)
	return s[len(s)/2], s[len(s)*95/100]
}

// late is how long a request may take before it counts as late: by its own size
// class, or by the nearest smaller one, scaled, or by any larger one. 0: nothing
// is known.
func (p *pace) late(pairs int) time.Duration {
	own := bits.Len(uint(pairs))
	for i := own; i > 0; i-- {
		if d := p.classes[i].late.Load(); d > 0 {
			return time.Duration(d) << (own - i)
		}
	}
	for i := own + 1; i < paceClasses; i++ {
		if d := p.classes[i].late.Load(); d > 0 {
			return time.Duration(d)
		}
	}
	return 0
}
