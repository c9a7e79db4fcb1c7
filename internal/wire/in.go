package wire

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/mem"
)

// In is a received frame: the header and references to the buffers that gRPC
// filled. The payload is read once, in order, straight to where it is needed.
type In struct {
	Header
	bufs   mem.BufferSlice
	chunk  int // cursor: index of the buffer,
	offset int // and the position in it
	left   int // payload bytes not read yet
	timing Timing
	header [HeaderSize]byte
	sum    checksum
}

var inPool = sync.Pool{New: func() any { return new(In) }}

// NewIn takes an empty frame to receive into.
func NewIn() *In { return inPool.Get().(*In) }

// Recycle frees the frame's buffers and the frame itself.
func (in *In) Recycle() {
	in.Free()
	inPool.Put(in)
}

// Free drops the buffers; the header stays readable.
func (in *In) Free() {
	in.bufs.Free()
	clear(in.bufs)
	in.bufs = in.bufs[:0]
}

// Parse checks the frame: magic, version, bounds, length, checksum, that the length
// is what the counts say, and a response's timing. The cursor is then at the start of
// the payload, or of a response's rows.
func (in *In) Parse() error {
	size := in.bufs.Len()
	if size < HeaderSize {
		return fmt.Errorf("frame of %d bytes; a header has %d", size, HeaderSize)
	}
	in.chunk, in.offset, in.left = 0, 0, size
	in.read(in.header[:])
	payload, sum, err := in.Header.parse(&in.header)
	if err != nil {
		return err
	}
	if payload != in.left {
		return fmt.Errorf("%v frame says %d payload bytes and has %d", in.Type, payload, in.left)
	}
	if got := in.checksum(); got != sum {
		return fmt.Errorf("%v frame damaged: checksum %08x, its header says %08x", in.Type, got, sum)
	}
	if err := in.checkCounts(); err != nil || in.Type != Response {
		return err
	}
	return in.readTiming()
}

// checksum covers the header with its own field as zero, then the payload.
func (in *In) checksum() uint32 {
	putSum(in.header[:], 0)
	in.sum.add(in.header[:])
	skip := HeaderSize
	for _, b := range in.bufs {
		data := b.ReadOnlyData()
		n := min(skip, len(data))
		skip -= n
		in.sum.add(data[n:])
	}
	return in.sum.end()
}

func (in *In) checkCounts() error {
	want := in.left
	switch in.Type {
	case Request:
		if in.Rows < 1 || in.Pairs < in.Rows || in.Hidden < 1 {
			return fmt.Errorf("request of %d rows, %d pairs, hidden %d", in.Rows, in.Pairs, in.Hidden)
		}
		want = requestSize(in.Rows, in.Pairs, in.Hidden)
	case Response:
		want = responseSize(in.Pairs, in.Hidden)
	case Hello, Update, Error:
		if in.Rows != 0 || in.Pairs != 0 {
			return fmt.Errorf("%v frame with %d rows and %d pairs", in.Type, in.Rows, in.Pairs)
		}
	default:
		return fmt.Errorf("frame of unknown type %d", uint8(in.Type))
	}
	if want != in.left {
		return fmt.Errorf("%v frame of %d rows, %d pairs, hidden %d has %d payload bytes, not %d",
			in.Type, in.Rows, in.Pairs, in.Hidden, in.left, want)
	}
	return nil
}

// read fills dst from the cursor on. The caller never asks for more than is left.
func (in *In) read(dst []byte) {
	in.left -= len(dst)
	for len(dst) > 0 {
		data := in.bufs[in.chunk].ReadOnlyData()
		n := copy(dst, data[in.offset:])
		dst, in.offset = dst[n:], in.offset+n
		if in.offset == len(data) {
			in.chunk, in.offset = in.chunk+1, 0
		}
	}
}

// Floats reads the next len(dst) elements: rows of a request after its experts,
// rows of a response.
func (in *In) Floats(dst []float32) { in.read(floatBytes(dst)) }
