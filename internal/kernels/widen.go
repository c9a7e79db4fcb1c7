package kernels

import (
	"encoding/binary"
	"math"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Widen converts len(dst) stored elements to float32, exactly. src must hold
// exactly that many.
func Widen(dst []float32, t tensor.DType, src []byte) {
	if len(src) != len(dst)*t.Size() {
		panic("kernels: Widen: source and destination differ in length")
	}
	active.widen(dst, t, src)
}

func widenPortable(dst []float32, t tensor.DType, src []byte) {
	switch t {
	case tensor.BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	case tensor.F16:
		for i := range dst {
			dst[i] = halfToFloat(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case tensor.F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	default:
		panic("kernels: Widen: " + t.String() + " is not a stored type")
	}
}

// halfToFloat converts IEEE binary16. Subnormals are multiples of 2^-24, which
// float32 holds exactly; NaNs are made quiet as the F16C instruction does.
func halfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10)&31, uint32(h)&1023
	switch {
	case exp == 0:
		v := float32(frac) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case exp == 31 && frac != 0:
		return math.Float32frombits(sign | 0x7fc00000 | frac<<13)
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
