package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// The tests of this file hold every kernel set that this CPU can run to the
// bits of the portable one, on odd lengths, unaligned data and extreme values.

// eachSet runs f for all sets but the portable one.
func eachSet(t *testing.T, f func(t *testing.T, s *kernelSet)) {
	t.Helper()
	ran := false
	for _, s := range available() {
		if s.name != portable.name {
			ran = true
			t.Run(s.name, func(t *testing.T) { f(t, s) })
		}
	}
	if !ran {
		t.Skip("this CPU runs the portable kernels only")
	}
}

// sprinkle tells which extreme values are mixed into random ones.
type sprinkle int

const (
	tame  sprinkle = iota // none
	tiny                  // zeros and subnormals: products and sums underflow
	wild                  // the largest numbers, infinities and NaN as well
	kinds                 // number of the above
)

// extremes are values that rounding, range and sign bugs show up on.
var extremes = [kinds][]float32{
	tiny: {0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32,
		0x1p-126, 0x1.fffffcp-127, -0x1p-140, -0x1p-100},
	wild: {0, 1, -1, 1 + 0x1p-23, math.MaxFloat32, -math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)),
		float32(math.NaN()), 88.72, -87.33, -103.97},
}

// values returns n floats that start at an odd place: normals of a random
// scale, one in twelve replaced by an extreme one.
func values(r *rand.Rand, n int, kind sprinkle) []float32 {
	x := make([]float32, n+9)[r.IntN(9):][:n]
	low := map[sprinkle]int{tame: -20, tiny: -149, wild: -20}[kind]
	scale := math.Exp2(float64(low + r.IntN(40)))
	for i := range x {
		x[i] = float32(r.NormFloat64() * scale)
		if kind != tame && r.IntN(12) == 0 {
			x[i] = extremes[kind][r.IntN(len(extremes[kind]))]
		}
	}
	return x
}

// unaligned copies b to a random offset.
func unaligned(r *rand.Rand, b []byte) []byte {
	off := r.IntN(64)
	return append(make([]byte, off, off+len(b)), b...)[off:]
}

// lengths covers all tails and several sizes of main loops.
func lengths(f func(n int)) {
	for n := range 70 {
		f(n)
	}
	for _, n := range []int{127, 128, 129, 255, 1000, 2048} {
		f(n)
	}
}

func TestElementwiseEqualBits(t *testing.T) {
	type operation struct {
		name string
		run  func(s *kernelSet, a, b, c, d []float32, k float32)
	}
	operations := []operation{
		{"axpy", func(s *kernelSet, a, b, c, d []float32, k float32) { s.axpy(a, b, k) }},
		{"add", func(s *kernelSet, a, b, c, d []float32, k float32) { s.add(a, b) }},
		{"scale", func(s *kernelSet, a, b, c, d []float32, k float32) { s.scale(a, k) }},
		{"div", func(s *kernelSet, a, b, c, d []float32, k float32) { s.div(a, k) }},
		{"clamp", func(s *kernelSet, a, b, c, d []float32, k float32) { s.clamp(a, float32(math.Abs(float64(k)))) }},
		{"scaleMul", func(s *kernelSet, a, b, c, d []float32, k float32) { s.scaleMul(a, b, c, k) }},
		{"siluMul", func(s *kernelSet, a, b, c, d []float32, k float32) { s.siluMul(a, b, c) }},
		{"rope", func(s *kernelSet, a, b, c, d []float32, k float32) { s.rope(a, b, c, d) }},
		{"expSum", func(s *kernelSet, a, b, c, d []float32, k float32) {
			if sum := s.expSum(a, k); len(a) > 0 {
				b[0] = sum
			}
		}},
	}
	eachSet(t, func(t *testing.T, s *kernelSet) {
		r := newRand(t)
		for _, op := range operations {
			lengths(func(n int) {
				for kind := range kinds {
					var got, want [4][]float32
					for i := range got {
						want[i] = values(r, n, kind)
						got[i] = slices.Clone(want[i])
					}
					k := values(r, 1, kind)[0]
					op.run(s, got[0], got[1], got[2], got[3], k)
					op.run(&portable, want[0], want[1], want[2], want[3], k)
					for i := range got {
						sameBits(t, fmt.Sprintf("%s, n=%d, operand %d", op.name, n, i), got[i], want[i])
					}
				}
			})
		}
	})
}

// exp over a dense sample of all float32, NaNs and infinities among them.
func TestExpEqualBits(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernelSet) {
		const step = 4001
		var got, want [64]float32
		one := [64]float32{}
		for i := range one {
			one[i] = 1
		}
		for b := uint64(0); b < 1<<32; b += step * 64 {
			for i := range got {
				got[i] = math.Float32frombits(uint32(b + uint64(i)*step))
			}
			want = got
			s.expSum(got[:], 0)
			expSumPortable(want[:], 0)
			sameBits(t, "exp", got[:], want[:])
		}
	})
}

// max may differ in the sign of a zero, which Softmax cannot see.
func TestMaxEqual(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernelSet) {
		r := newRand(t)
		lengths(func(n int) {
			for kind := range kinds {
				x := values(r, n, kind)
				if got, want := s.max(x), maxPortable(x); got != want {
					t.Fatalf("n=%d: max %g, want %g of %v", n, got, want, x)
				}
			}
		})
	})
}

func TestDotAndBlocksEqualBits(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernelSet) {
		r := newRand(t)
		lengths(func(n int) {
			for kind := range kinds {
				rows, k := 1+r.IntN(9), 1+r.IntN(20)
				a, b := values(r, n, kind), values(r, n, kind)
				what := fmt.Sprintf("n=%d, %d rows, k=%d", n, rows, k)
				sameBits(t, "dot "+what, []float32{s.dot(a, b)}, []float32{dotPortable(a, b)})
				if n == 0 {
					return
				}
				want, p := values(r, rows*n, kind), values(r, rows*k, kind)
				got := slices.Clone(want)
				for _, d := range kvTypes {
					block := Block{d, unaligned(r, stored(d, values(r, k*n, kind))), k, n}
					s.addProduct(got, n, p, k, rows, block, nil)
					addProductPortable(want, n, p, k, rows, block, nil)
					sameBits(t, "addProduct "+what, got, want)
				}
			}
		})
	})
}

// All 65536 values of the 16-bit types.
func TestWidenEqualBits(t *testing.T) {
	all := make([]byte, 2<<16)
	for i := range 1 << 16 {
		all[2*i], all[2*i+1] = byte(i), byte(i>>8)
	}
	eachSet(t, func(t *testing.T, s *kernelSet) {
		for _, d := range dtypes {
			for _, n := range []int{0, 1, 7, 8, 9, 31, len(all) / d.Size()} {
				got, want := make([]float32, n), make([]float32, n)
				s.widen(got, d, all[:n*d.Size()])
				widenPortable(want, d, all[:n*d.Size()])
				sameBits(t, d.String(), got, want)
			}
		}
	})
}

func TestMatMulEqualBits(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernelSet) {
		r := newRand(t)
		for trial := range 400 {
			rows, out, in := 1+r.IntN(40), 1+r.IntN(40), 1+r.IntN(100)
			switch trial % 4 {
			case 0:
				in = 16 * (1 + r.IntN(6)) // no tail
			case 1:
				rows = 1 + r.IntN(5)
			case 2:
				rows, out, in = 1+r.IntN(110), 1+r.IntN(9), 16*(30+r.IntN(40)) // several stretches of k
			case 3:
				rows, out, in = 1+r.IntN(14), 30+r.IntN(9), 16*(60+r.IntN(80)) // and several blocks of outputs
			}
			checkMatMulBits(t, s, r, dtypes[r.IntN(3)], rows, out, in, sprinkle(trial)%kinds)
		}
	})
}

func checkMatMulBits(t *testing.T, s *kernelSet, r *rand.Rand, d tensor.DType, rows, out, in int, kind sprinkle) {
	t.Helper()
	w := Weight{Out: out, In: in, DType: d, Data: unaligned(r, stored(d, values(r, out*in, kind)))}
	xStride, dstStride := in+r.IntN(3), out+r.IntN(3)
	x := values(r, rows*xStride, kind)
	lo := r.IntN(out)
	hi := lo + 1 + r.IntN(out-lo)
	got, want := make([]float32, rows*dstStride), make([]float32, rows*dstStride)
	s.matMul(Job{Dst: got, DstStride: dstStride, X: x, XStride: xStride, Rows: rows, W: w}, lo, hi)
	matMulPortable(Job{Dst: want, DstStride: dstStride, X: x, XStride: xStride, Rows: rows, W: w}, lo, hi)
	sameBits(t, fmt.Sprintf("%v rows=%d out=[%d,%d) in=%d", d, rows, lo, hi, in), got, want)
}
