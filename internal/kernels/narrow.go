package kernels

import (
	"encoding/binary"
	"math"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Narrow stores src as t (BF16 or F32), rounded to nearest, ties to even, in every
// stride-th element of dst from the first on. A NaN stays one.
func Narrow(dst []byte, t tensor.DType, stride int, src []float32) {
	step := stride * t.Size()
	switch {
	case t == tensor.BF16 && stride == 1:
		active.narrow(dst[:2*len(src)], src)
	case t == tensor.BF16:
		narrowPortable(dst, step, src)
	case t == tensor.F32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[i*step:], math.Float32bits(v))
		}
	default:
		panic("kernels: Narrow: " + t.String() + " is not a type to store in")
	}
}

func narrowPortable(dst []byte, step int, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[i*step:], toBF16(v))
	}
}

func toBF16(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40 // quiet, and no infinity when the low bits are cut
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
