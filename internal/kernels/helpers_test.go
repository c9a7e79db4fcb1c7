package kernels

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

var dtypes = []tensor.DType{tensor.BF16, tensor.F16, tensor.F32}

func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(1, 2))
}

// MatMul is dst = x * w^T over the pool; x [rows, w.In], dst [rows, w.Out], both dense.
func MatMul(p *Pool, dst, x []float32, rows int, w Weight) {
	MatMulMany(p, []Job{{Dst: dst, X: x, DstStride: w.Out, XStride: w.In, Rows: rows, W: w}})
}

// normals returns n values of standard deviation 1.
func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// stored encodes float32 values as dtype d, truncating.
func stored(d tensor.DType, x []float32) []byte {
	var b []byte
	for _, v := range x {
		bits := math.Float32bits(v)
		switch d {
		case tensor.BF16:
			b = binary.LittleEndian.AppendUint16(b, uint16(bits>>16))
		case tensor.F16:
			b = binary.LittleEndian.AppendUint16(b, floatToHalf(v))
		case tensor.F32:
			b = binary.LittleEndian.AppendUint32(b, bits)
		}
	}
	return b
}

// floatToHalf truncates to binary16; too large becomes infinite, too small 0.
func floatToHalf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign := uint16(bits >> 16 & 0x8000)
	exp := int(bits>>23&255) - 112
	switch {
	case v != v:
		return sign | 0x7e00
	case exp >= 31:
		return sign | 0x7c00
	case exp <= 0:
		return sign | uint16(math.Abs(float64(v))*0x1p24)
	}
	return sign | uint16(exp)<<10 | uint16(bits>>13&1023)
}

func randomWeight(r *rand.Rand, d tensor.DType, out, in int) Weight {
	return Weight{Out: out, In: in, DType: d, Data: stored(d, normals(r, out*in))}
}

// sameBits fails unless got and want are equal to the bit; any NaN equals any
// other.
func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		g, w := got[i], want[i]
		if math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			t.Fatalf("%s: element %d of %d is %g (%08x), want %g (%08x)", what, i, len(want),
				g, math.Float32bits(g), w, math.Float32bits(w))
		}
	}
}

// near fails unless |got-want| <= tol*scale for every element.
func near(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= tol*(1+math.Abs(want[i]))) {
			t.Fatalf("%s: element %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

// recovered returns the value f panics with, nil if it returns.
func recovered(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// matMulRange computes outputs [lo, hi) of a product.
func matMulRange(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	(&Job{Dst: dst, DstStride: dstStride, X: x, XStride: xStride, Rows: rows, W: w}).compute(lo, hi)
}
