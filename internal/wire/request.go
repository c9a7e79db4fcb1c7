package wire

import "fmt"

// RequestID names a request on its stream.
type RequestID struct {
	Call  uint64
	Epoch int64
	Layer int
}

func expertsSize(rows, pairs int) int { return (2*(rows+pairs) + 3) &^ 3 }

func requestSize(rows, pairs, hidden int, f Format) int {
	return expertsSize(rows, pairs) + rows*f.Bytes(hidden)
}

// NewRequest builds a sealed request: counts[i] experts for row i, listed in
// experts row by row; row i is row rows[i] of x, whose rows have hidden elements and
// travel in a format.
func NewRequest(id RequestID, hidden int, f Format, counts, experts []uint16, x []float32, rows []int32) Out {
	h := Header{Type: Request, Call: id.Call, Epoch: id.Epoch, Layer: id.Layer,
		Rows: len(rows), Pairs: len(experts), Hidden: hidden, Format: f}
	o := newOut(&h, requestSize(h.Rows, h.Pairs, hidden, f))
	b := o.payload()
	n := copy(b, uint16Bytes(counts))
	n += copy(b[n:], uint16Bytes(experts))
	start := expertsSize(h.Rows, h.Pairs)
	clear(b[n:start])
	size := f.Bytes(hidden)
	for i, r := range rows {
		f.put(b[start+i*size:][:size], x[int(r)*hidden:][:hidden])
	}
	o.Seal()
	return o
}

// Experts reads a request's lists into counts [Rows] and experts [Pairs], and
// checks them against the model's experts per layer. Rows follow (Floats, or Bytes of
// packed ones).
func (in *In) Experts(counts, experts []uint16, perLayer int) error {
	in.read(uint16Bytes(counts))
	in.read(uint16Bytes(experts))
	if err := in.padding(); err != nil {
		return err
	}
	sum := 0
	for i, c := range counts {
		if c == 0 {
			return fmt.Errorf("request row %d asks for no expert", i)
		}
		if int(c) > perLayer { // or a short frame could make long work
			return fmt.Errorf("request row %d asks for %d experts, the model has %d a layer", i, c, perLayer)
		}
		sum += int(c)
	}
	if sum != len(experts) {
		return fmt.Errorf("request rows ask for %d experts, the header says %d", sum, len(experts))
	}
	for i, e := range experts {
		if int(e) >= perLayer {
			return fmt.Errorf("request pair %d: expert %d, the model has %d a layer", i, e, perLayer)
		}
	}
	return nil
}

func (in *In) padding() error {
	var pad [4]byte
	n := expertsSize(in.Rows, in.Pairs) - 2*(in.Rows+in.Pairs)
	in.read(pad[:n])
	if pad != [4]byte{} {
		return fmt.Errorf("request with non-zero padding")
	}
	return nil
}
