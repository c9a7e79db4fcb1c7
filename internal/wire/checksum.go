package wire

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// checksumAt is where a header has the frame's checksum.
const checksumAt = 40

// sumBlock is what is hashed at once, wherever the buffers of a received frame
// begin and end: three of four blocks lie in one of gRPC's buffers of 16 KiB and are
// not copied.
const sumBlock = 4096

// sumFactor is odd, so that a sum depends on every block before and on their order.
const sumFactor = 0x9E3779B97F4A7C15

// checksum is over a frame's bytes in blocks from its start, the last one shorter:
// s = s*sumFactor + XXH3-64(block), modulo 2^64, from 0; then its upper half.
// The zero value is ready to use.
type checksum struct {
	sum  uint64
	part [sumBlock]byte // of a block that lies in several buffers
	n    int            // bytes of it
}

func (c *checksum) block(b []byte) { c.sum = c.sum*sumFactor + xxh3.Hash(b) }

// add takes the next bytes.
func (c *checksum) add(b []byte) {
	if c.n > 0 {
		n := copy(c.part[c.n:], b)
		c.n, b = c.n+n, b[n:]
		if c.n < sumBlock {
			return
		}
		c.block(c.part[:])
	}
	for ; len(b) >= sumBlock; b = b[sumBlock:] {
		c.block(b[:sumBlock])
	}
	c.n = copy(c.part[:], b)
}

// end returns the sum and is ready for another frame.
func (c *checksum) end() uint32 {
	if c.n > 0 {
		c.block(c.part[:c.n])
	}
	sum := uint32(c.sum >> 32)
	c.sum, c.n = 0, 0
	return sum
}

// sumOf is the checksum of a whole frame, whose own field is zero.
func sumOf(frame []byte) uint32 {
	var c checksum
	c.add(frame)
	return c.end()
}

func putSum(frame []byte, sum uint32) { binary.LittleEndian.PutUint32(frame[checksumAt:], sum) }
