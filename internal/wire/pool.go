package wire

import (
	"math/bits"
	"sync"
)

// Pool hands out byte buffers in powers of two from 256 bytes to MaxFrameBytes
// and takes them back. It serves frames and, through gRPC's options, HTTP/2
// reads. Unlike gRPC's own it does not clear a buffer before it is used again:
// every user writes all it asked for, and the clearing cost more than the copy.
var Pool bufferPool

const (
	minTier = 8
	maxTier = 27 // MaxFrameBytes and a little more
)

type bufferPool struct {
	tiers [maxTier + 1]sync.Pool
}

// Get returns a buffer of n bytes with arbitrary content.
func (p *bufferPool) Get(n int) *[]byte {
	t := max(minTier, bits.Len(uint(max(n, 1)-1)))
	if t > maxTier {
		b := make([]byte, n)
		return &b
	}
	if b, ok := p.tiers[t].Get().(*[]byte); ok {
		*b = (*b)[:n]
		return b
	}
	b := make([]byte, n, 1<<t)
	return &b
}

// Put takes back a buffer that nothing refers to any more.
func (p *bufferPool) Put(b *[]byte) {
	t := bits.Len(uint(cap(*b))) - 1
	if t >= minTier && t <= maxTier && cap(*b) == 1<<t {
		p.tiers[t].Put(b)
	}
}
