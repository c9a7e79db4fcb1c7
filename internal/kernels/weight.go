package kernels

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Weight is a matrix [Out, In], row-major, as stored in the checkpoint or, made
// from that by Quantise, in 8-bit form.
type Weight struct {
	Out, In int
	DType   tensor.DType // as stored
	Int8    bool         // Data is in 8-bit form
	Data    []byte       // Out*In*DType.Size() or Int8Bytes(Out, In) bytes, any alignment
}

// NewWeight views a stored tensor as a matrix. It refuses anything that is not
// two-dimensional or whose bytes do not fill the shape: the kernels trust the
// sizes of a Weight.
func NewWeight(t tensor.Tensor) (Weight, error) {
	if len(t.Shape) != 2 || t.Shape[0] <= 0 || t.Shape[1] <= 0 {
		return Weight{}, fmt.Errorf("tensor %s: shape %v is not a matrix [out, in]", t.Name, t.Shape)
	}
	if t.DType < tensor.BF16 || t.DType > tensor.F32 {
		return Weight{}, fmt.Errorf("tensor %s: dtype %v is not BF16, F16 or F32", t.Name, t.DType)
	}
	w := Weight{Out: t.Shape[0], In: t.Shape[1], DType: t.DType, Data: t.Data}
	if len(w.Data) != w.Out*w.rowBytes() {
		return Weight{}, fmt.Errorf("tensor %s: %d bytes of data, shape %v of %v needs %d",
			t.Name, len(t.Data), t.Shape, t.DType, w.Out*w.rowBytes())
	}
	return w, nil
}

// rowBytes is the size of one output's weights.
func (w Weight) rowBytes() int {
	if w.Int8 {
		return int8BlockBytes(w.In) / int8Block
	}
	return w.In * w.DType.Size()
}

// size is the number of bytes that the shape needs.
func (w Weight) size() int {
	if w.Int8 {
		return Int8Bytes(w.Out, w.In)
	}
	return w.Out * w.rowBytes()
}

// block is the block of outputs in 8-bit form to which output o belongs.
func (w Weight) block(o int) []byte {
	return w.from(o)[:int8BlockBytes(w.In)]
}

// from is that block and all that follow.
func (w Weight) from(o int) []byte { return w.Data[o/int8Block*int8BlockBytes(w.In):] }

// row is the weights of output o, as stored.
func (w Weight) row(o int) []byte { return w.Data[o*w.rowBytes():][:w.rowBytes()] }

// at is the weights of output o from input k on, as stored.
func (w Weight) at(o, k int) []byte { return w.row(o)[k*w.DType.Size():] }
