package wire

import (
	"encoding/binary"
	"fmt"
	"time"
)

const timingSize = 16

func responseSize(pairs, hidden int, f Format) int { return timingSize + pairs*f.Bytes(hidden) }

// Timing tells where a request's time went on the node.
type Timing struct {
	Queued  time.Duration // waiting for the computation before it
	Compute time.Duration // of the batch that it was part of
}

// NewResponse builds the answer to a request, its outputs unset: the caller puts each,
// then calls Seal.
func NewResponse(request *Header, outputs Format, t Timing) Out {
	h := *request
	h.Type, h.Format = Response, outputs
	o := newOut(&h, responseSize(h.Pairs, h.Hidden, outputs))
	binary.LittleEndian.PutUint64(o.payload(), uint64(t.Queued))
	binary.LittleEndian.PutUint64(o.payload()[8:], uint64(t.Compute))
	return o
}

// PutOutput stores a response's output of the i-th pair, in the response's format.
func (o Out) PutOutput(i int, row []float32) {
	f := Format((*o.buf)[formatAt])
	size := f.Bytes(len(row))
	f.put(o.Outputs()[i*size:][:size], row)
}

// Outputs views all of a response's outputs, in its format.
func (o Out) Outputs() []byte { return o.payload()[timingSize:] }

// readTiming reads the start of a response. A time below zero would end a program
// that counts it.
func (in *In) readTiming() error {
	var b [timingSize]byte
	in.read(b[:])
	in.timing = Timing{
		Queued:  time.Duration(binary.LittleEndian.Uint64(b[:])),
		Compute: time.Duration(binary.LittleEndian.Uint64(b[8:])),
	}
	if in.timing.Queued < 0 || in.timing.Compute < 0 {
		return fmt.Errorf("%v frame with a timing of %v queued, %v computing", in.Type, in.timing.Queued, in.timing.Compute)
	}
	return nil
}

// Timing is a response's.
func (in *In) Timing() Timing { return in.timing }
