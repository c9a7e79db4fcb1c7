package wire

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Format is how rows are stored in a frame; a header has its number.
type Format uint8

// The formats of rows.
const (
	Float32  Format = iota // as in memory
	BFloat16               // rounded to nearest, ties to even
	Packed                 // 8-bit groups, see kernels.Pack
	formats
)

// FormatsOf is how rows travel to experts with weights in some form, and their outputs
// back: as they are, or beside 8-bit weights as what products make of them anyway and as
// model.OutputsAs (ADR 0168).
func FormatsOf(w checkpoint.Weights) (rows, outputs Format) {
	if w == checkpoint.Int8 {
		return Packed, BFloat16
	}
	return Float32, Float32
}

// String names the format for messages.
func (f Format) String() string {
	if f < formats {
		return [...]string{"float32", "bfloat16", "8-bit groups"}[f]
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Bytes is the size of a row of n elements.
func (f Format) Bytes(n int) int {
	switch f {
	case Packed:
		return kernels.PackedBytes(n)
	case BFloat16:
		return 2 * n
	default:
		return 4 * n
	}
}

// put stores a row in dst, Bytes(len(row)) long.
func (f Format) put(dst []byte, row []float32) {
	switch f {
	case Packed:
		kernels.Pack(dst, row)
	case BFloat16:
		kernels.Narrow(dst, tensor.BF16, 1, row)
	default:
		copy(dst, floatBytes(row))
	}
}

// of says whether frames of a type may have rows in this format.
func (f Format) of(t Type) bool {
	switch t {
	case Request:
		return f == Float32 || f == Packed
	case Response:
		return f == Float32 || f == BFloat16
	default:
		return f == 0
	}
}
