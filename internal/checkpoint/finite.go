package checkpoint

import (
	"encoding/binary"
	"math"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// pattern finds non-finite numbers a word at a time. A float is NaN or Inf
// exactly if all bits of its exponent are set; then, and only then, adding the
// exponent's lowest bit to the masked exponent carries into the sign's place.
// No lane can carry into the next, since the sign is masked off.
type pattern struct{ exponent, lowest, sign uint64 }

var patterns = map[tensor.DType]pattern{
	tensor.BF16: {0x7F807F807F807F80, 0x0080008000800080, 0x8000800080008000},
	tensor.F16:  {0x7C007C007C007C00, 0x0400040004000400, 0x8000800080008000},
	tensor.F32:  {0x7F8000007F800000, 0x0080000000800000, 0x8000000080000000},
}

// scanBlock is how many bytes are looked at before the verdict is read: small
// enough that finding the element in it again costs nothing.
const scanBlock = 4096

// firstNonFinite returns the index of the first NaN or infinite element of
// little-endian data, or -1.
func firstNonFinite(d tensor.DType, data []byte) int {
	p := patterns[d]
	for at := 0; at < len(data); at += scanBlock {
		block := data[at:min(at+scanBlock, len(data))]
		if p.hit(block) {
			return at/d.Size() + p.index(d.Size(), block)
		}
	}
	return -1
}

// hit reports whether any element of the block is non-finite.
func (p pattern) hit(b []byte) bool { return kernels.Carries(b, p.exponent, p.lowest)&p.sign != 0 }

// index finds the first non-finite element of a block that has one.
func (p pattern) index(size int, b []byte) int {
	i := 0
	for !p.hit(b[i*size : (i+1)*size]) {
		i++
	}
	return i
}

// widen reads element i of little-endian data, for error messages.
func widen(d tensor.DType, data []byte, i int) float32 {
	b := data[i*d.Size():]
	switch d {
	case tensor.F32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case tensor.BF16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	}
	return halfToFloat(binary.LittleEndian.Uint16(b))
}

// halfToFloat widens the non-finite binary16 values, which is all it is for:
// the exponent becomes float32's, the fraction keeps its upper bits.
func halfToFloat(h uint16) float32 {
	return math.Float32frombits(uint32(h&0x8000)<<16 | 0x7F800000 | uint32(h&0x3FF)<<13)
}
