package fleet

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// Limits of what a pod answers (invariant 8). A pod is not trusted: who may make one
// chooses what answers in it, and the operator is everybody's.
const (
	// maxReport is in bytes, of what a pod says about itself and of the text of an error: 256
	// node names of 63 letters take half of it.
	maxReport = 32 << 10
	// maxNumber is the most bytes that a number takes in a message.
	maxNumber = 10
	// maxNames is in bytes, for the little that a load has besides its lists of numbers.
	maxNames = 1 << 10
)

// ErrAnswer is wrapped by errors about pods that can be reached and answer as no pod of this
// project does. It is not the way to them that has to be mended.
var ErrAnswer = errors.New("check which image runs there (spec.image)")

// tooLong says whether this side has read no further. Of the calls that this is asked of
// pods never say that anything is exhausted.
func tooLong(err error) bool { return status.Code(err) == codes.ResourceExhausted }

// counting is gRPC's codec for one call, which reads no message of more than so many numbers:
// numbers of one byte each would take eight times as much memory as the message.
type counting struct {
	encoding.CodecV2
	most int
	over bool // the answer had more
}

// Unmarshal implements encoding.CodecV2. Just the last byte of a number is below 0x80, and
// names have such bytes as well.
func (c *counting) Unmarshal(message mem.BufferSlice, into any) error {
	n := 0
	for _, part := range message {
		for _, b := range part.ReadOnlyData() {
			if b < 0x80 {
				n++
			}
		}
	}
	if c.over = n > c.most; c.over {
		return fmt.Errorf("more than %d numbers", c.most)
	}
	return c.CodecV2.Unmarshal(message, into)
}
