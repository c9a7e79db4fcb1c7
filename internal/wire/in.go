package wire

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/mem"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
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
	shared [2]byte // an element that two buffers share
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
		want = requestSize(in.Rows, in.Pairs, in.Hidden, in.Format)
	case Response:
		want = responseSize(in.Pairs, in.Hidden, in.Format)
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
	for len(dst) > 0 {
		n := min(len(dst), in.together())
		copy(dst, in.view(n))
		dst = dst[n:]
	}
}

// together is how many of the next bytes are in one buffer.
func (in *In) together() int { return len(in.bufs[in.chunk].ReadOnlyData()) - in.offset }

// Floats reads the next len(dst) elements: rows of a request after its experts,
// outputs of a response. Packed rows have none.
func (in *In) Floats(dst []float32) {
	if in.Format == BFloat16 {
		in.widen(dst)
		return
	}
	in.read(floatBytes(dst))
}

// Bytes reads the next len(dst) bytes of rows as they are stored.
func (in *In) Bytes(dst []byte) { in.read(dst) }

// widen converts elements where they lie, but for those that two buffers share.
func (in *In) widen(dst []float32) {
	for len(dst) > 0 {
		n := min(len(dst), in.together()/2)
		if n > 0 {
			kernels.Widen(dst[:n], tensor.BF16, in.view(2*n))
		} else {
			n = 1
			in.read(in.shared[:])
			kernels.Widen(dst[:n], tensor.BF16, in.shared[:])
		}
		dst = dst[n:]
	}
}

// view is the next n bytes, which are in one buffer.
func (in *In) view(n int) []byte {
	data := in.bufs[in.chunk].ReadOnlyData()[in.offset:]
	in.left, in.offset = in.left-n, in.offset+n
	if n == len(data) {
		in.chunk, in.offset = in.chunk+1, 0
	}
	return data[:n]
}
