package synth

import (
	"encoding/binary"
	"math"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// source makes the elements of one tensor, any range of them at a time.
type source struct {
	state uint64 // splitmix64's seed
	spread
	skew   []float64 // factor of each row, or nil
	rowLen int       // elements of a row
	dtype  tensor.DType
	table  []uint16 // stored element of every word sum, or nil
}

// newSource prepares a tensor.
func newSource(spec checkpoint.Spec, c *checkpoint.Config, d tensor.DType, seed uint64) source {
	return source{
		state:  fnv1a64(spec.Name) ^ seed,
		spread: spreadOf(spec.Name, c),
		skew:   rowSkew(spec, seed),
		rowLen: spec.Shape[len(spec.Shape)-1],
		dtype:  d,
	}
}

// fill writes the elements from index first on as stored bytes.
func (s source) fill(dst []byte, first int) {
	n := len(dst) / s.dtype.Size()
	switch {
	case s.table != nil:
		s.fillFromTable(dst, first)
	case s.dtype == tensor.F32:
		for i := range n {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(s.at(first+i)))
		}
	default:
		for i := range n {
			binary.LittleEndian.PutUint16(dst[2*i:], round16(s.dtype, s.at(first+i)))
		}
	}
}

// fillFromTable is fill where every possible element is known already.
func (s source) fillFromTable(dst []byte, first int) {
	state := s.state + uint64(first)*golden
	for ; len(dst) >= 2; dst = dst[2:] {
		state += golden
		binary.LittleEndian.PutUint16(dst, s.table[wordSum(state)])
	}
}

// round16 rounds to one of the 16-bit types.
func round16(d tensor.DType, v float32) uint16 {
	if d == tensor.BF16 {
		return toBF16(v)
	}
	return toF16(v)
}

// at makes one element.
func (s source) at(i int) float32 {
	x := s.value(wordSum(s.state + uint64(i+1)*golden))
	if s.skew != nil {
		x = float64(x * s.skew[i/s.rowLen])
	}
	return float32(x)
}

// value spreads a word sum. The conversion to float64 keeps the compiler from
// fusing multiplication and addition, which would change the last bit on some
// machines.
func (s spread) value(sum uint32) float64 { return s.mean + float64(s.std*normal(sum)) }

// toBF16 rounds a finite number to the nearest bf16, ties to even.
func toBF16(v float32) uint16 {
	b := math.Float32bits(v)
	return uint16((b + 0x7FFF + b>>16&1) >> 16)
}

// toF16 rounds a finite number to the nearest binary16, ties to even; beyond
// its range it gives infinity.
func toF16(v float32) uint16 {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	abs := math.Float32frombits(b & 0x7FFFFFFF)
	switch {
	case abs >= 65520: // halfway between the largest number and the next power
		return sign | 0x7C00
	case abs < 0x1p-14: // subnormal: count steps of 2^-24
		return sign | uint16(math.RoundToEven(float64(abs)*0x1p24))
	}
	b += 0xFFF + b>>13&1 // round at bit 13; a carry moves into the exponent, the sign falls off
	return sign | uint16(b>>13-(127-15)<<10)
}
