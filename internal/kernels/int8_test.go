package kernels

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// int8Weight is a random matrix in 8-bit form.
func int8Weight(r *rand.Rand, out, in int, kind sprinkle) Weight {
	return quantised(r, out, in, finite(values(r, out*in, kind)))
}

func quantised(r *rand.Rand, out, in int, x []float32) Weight {
	w := Weight{Out: out, In: in, DType: tensor.F32, Data: stored(tensor.F32, x)}
	q, _ := Quantise(nil, w, unaligned(r, make([]byte, Int8Bytes(out, in))))
	return q
}

// finite replaces what a checkpoint may not hold.
func finite(x []float32) []float32 {
	for i, v := range x {
		if math.IsInf(float64(v), 0) || v != v {
			x[i] = math.MaxFloat32
		}
	}
	return x
}

// shape returns random sizes; every fourth time whole groups, every fourth time
// whole blocks of outputs, several of them.
func shape(r *rand.Rand, trial int) (rows, out, in int) {
	rows, out, in = 1+r.IntN(14), 1+r.IntN(40), 1+r.IntN(300)
	switch trial % 4 {
	case 0:
		in = int8Group * (1 + r.IntN(6))
	case 1:
		rows, out = 1+r.IntN(70), int8Block*(1+r.IntN(6))
	}
	return rows, out, in
}

func TestInt8EqualBits(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernelSet) {
		r := newRand(t)
		for trial := range 400 {
			rows, out, in := shape(r, trial)
			kind := sprinkle(trial) % kinds
			what := fmt.Sprintf("trial %d: rows=%d out=%d in=%d", trial, rows, out, in)
			w, x := int8Weight(r, out, in, kind), values(r, rows*in, kind)
			var got, want int8Rows
			got.reset(rows, in)
			want.reset(rows, in)
			for i := range rows {
				s.quantiseWeights(got.row(i), x[i*in:][:in])
				portable.quantiseWeights(want.row(i), x[i*in:][:in])
			}
			sameRows(t, what+", as weights", &got, &want)
			for i := range rows {
				s.quantiseRow(got.row(i), x[i*in:][:in])
				portable.quantiseRow(want.row(i), x[i*in:][:in])
			}
			sameRows(t, what, &got, &want)
			lo := r.IntN(out)
			hi, stride := lo+1+r.IntN(out-lo), out+r.IntN(3)
			if trial%3 == 0 {
				lo, hi = 0, out
			}
			a, b := make([]float32, rows*stride), make([]float32, rows*stride)
			s.matMulInt8(int8Job{a, stride, &got, w}, lo, hi)
			portable.matMulInt8(int8Job{b, stride, &want, w}, lo, hi)
			sameBits(t, what, a, b)
		}
	})
}

// sameRows compares scales (any NaN equals any other), offsets and values.
func sameRows(t *testing.T, what string, got, want *int8Rows) {
	t.Helper()
	for r := range want.rows {
		for g, a, b := 0, got.row(r), want.row(r); len(b) > 0; g, a, b = g+1, a[rowGroup:], b[rowGroup:] {
			x, y := make([]float32, 1), make([]float32, 1)
			widenPortable(x, tensor.F32, a[:4])
			widenPortable(y, tensor.F32, b[:4])
			sameBits(t, fmt.Sprintf("%s: scale of row %d, group %d", what, r, g), x, y)
			if string(a[4:rowGroup]) != string(b[4:rowGroup]) {
				t.Fatalf("%s: row %d, group %d is %v, want %v", what, r, g, a[4:rowGroup], b[4:rowGroup])
			}
		}
	}
}

// Invariant 1 for the 8-bit form: an element is the same whatever is computed
// beside it, in one call or over a pool.
func TestInt8ElementIndependentOfShape(t *testing.T) {
	r := newRand(t)
	p := NewPool(3)
	defer p.Close()
	for trial := range 40 {
		rows, out, in := shape(r, trial)
		w, x := int8Weight(r, out, in, tame), normals(r, rows*in)
		want := make([]float32, rows*out)
		for i := range want {
			matMulRange(want[i-i%out:], out, x[i/out*in:], in, 1, w, i%out, i%out+1)
		}
		first := r.IntN(rows)
		n := 1 + r.IntN(rows-first)
		got := make([]float32, n*out)
		matMulRange(got, out, x[first*in:], in, n, w, 0, out)
		sameBits(t, fmt.Sprint("range of rows, trial ", trial), got, want[first*out:][:n*out])

		job := func(w Weight) Job {
			return Job{Dst: make([]float32, rows*out), X: x, DstStride: out, XStride: in, Rows: rows, W: w}
		}
		jobs := []Job{job(w), job(w), job(randomWeight(r, tensor.BF16, out, in)), {W: w}, job(w)}
		MatMulMany(p, jobs)
		for _, i := range []int{0, 1, 4} {
			sameBits(t, fmt.Sprint("pool, trial ", trial, ", job ", i), jobs[i].Dst, want)
		}
	}
}

// The sum of a group of extreme values is exact: 16-bit parts do not saturate,
// whatever pairs of x a quantised row can hold.
func TestInt8Extremes(t *testing.T) {
	const groups, out = 3, int8Block
	pairs := [][2]int8{{64, 64}, {-64, -64}, {127, 1}, {1, 127}, {-127, -1}, {127, -127}, {-127, 127}, {0, 127}, {-127, 0}}
	weights := [][2]float32{{127, 127}, {-127, -127}, {127, -127}, {-127, 127}, {0, 127}, {0, 0}}
	var x int8Rows
	x.reset(len(pairs), groups*int8Group)
	for r, p := range pairs {
		for row := x.row(r); len(row) > 0; row = row[rowGroup:] {
			binary.LittleEndian.PutUint32(row, math.Float32bits(1))
			binary.LittleEndian.PutUint32(row[4:], uint32(-int8Zero*int8Group/2*(int32(p[0])+int32(p[1]))))
			for i := range int8Group {
				row[8+i] = byte(p[i%2])
			}
		}
	}
	eachSet(t, func(t *testing.T, s *kernelSet) {
		for _, v := range weights {
			wide := make([]float32, out*groups*int8Group)
			for i := range wide {
				wide[i] = v[i%2]
			}
			w, dst := quantised(newRand(t), out, groups*int8Group, wide), make([]float32, len(pairs)*out)
			s.matMulInt8(int8Job{dst, out, &x, w}, 0, out)
			for i, got := range dst {
				p := pairs[i/out]
				if want := groups * int8Group / 2 * (float32(p[0])*v[0] + float32(p[1])*v[1]); got != want {
					t.Errorf("x %v, weights %v: %g, want %g", p, v, got, want)
				}
			}
		}
	})
}

// Neighbours in a quantised row have at most 128 together, which is what keeps sums
// of two products in 16 bits; and where no sum of neighbours is above the largest
// magnitude nothing is lost by it.
func TestNeighboursOfXAreBounded(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernelSet) {
		r := newRand(t)
		for trial := range 2000 {
			x := values(r, 1+r.IntN(3*int8Group), sprinkle(trial)%kinds)
			if trial%3 == 0 { // equal neighbours are the extreme
				for i := range x {
					x[i] = x[0]
				}
			}
			row := make([]byte, int8Groups(len(x))*rowGroup)
			s.quantiseRow(row, x)
			for g := 0; len(row) > 0; g, row = g+1, row[rowGroup:] {
				for i := 8; i < rowGroup; i += 2 {
					if sum := int(int8(row[i])) + int(int8(row[i+1])); sum > 128 || sum < -128 { //nolint:gosec // its bits
						t.Fatalf("trial %d, group %d: %v", trial, g, row[8:rowGroup])
					}
				}
			}
		}
	})
	x := []float32{127, -127, 3, 1, 0, -126}
	var a, b [rowGroup]byte
	quantiseRowPortable(a[:], x)
	quantiseWeightsPortable(b[:], x)
	if a != b {
		t.Errorf("%v, want %v", a, b)
	}
}

func TestInt8NonFiniteRowsBecomeNaN(t *testing.T) {
	r := newRand(t)
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, v := range []float32{1, 0} { // also where the weights are zero
			w := quantised(r, 5, 40, repeat(v, 200))
			x, dst := normals(r, 80), make([]float32, 10)
			x[39] = float32(bad)
			MatMul(nil, dst, x, 2, w)
			for i, y := range dst {
				if (y != y) != (i < 5) {
					t.Errorf("%g among x, weights %g: output %d is %g", bad, v, i, y)
				}
			}
		}
	}
}

func repeat(v float32, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = v
	}
	return x
}

// Every element comes back within half a step; a step is at most 1/127 of the
// group's largest magnitude and the rounding of the scale (2^-7).
func TestQuantiseGroupError(t *testing.T) {
	r := newRand(t)
	for trial := range 300 {
		x := finite(values(r, 1+r.IntN(int8Group), sprinkle(trial)%kinds))
		var group [rowGroup]byte
		quantiseWeightsPortable(group[:], x)
		scale, q, top := math.Float32frombits(binary.LittleEndian.Uint32(group[:])), group[8:], 0.0
		for _, v := range x {
			top = max(top, math.Abs(float64(v)))
		}
		for i, v := range x {
			step := top/int8Most*(1+0x1p-7) + 0x1p-133 // the least bf16 number
			if d := math.Abs(float64(v) - float64(scale)*float64(int8(q[i]))); !(d <= step*0.5000001) {
				t.Fatalf("trial %d: %g became %d * %g, off by %g of a step", trial, v, int8(q[i]), scale, d/step)
			}
		}
	}
}

// On normal data the product is off by less than a hundredth of its size.
func TestInt8AgainstFloat64(t *testing.T) {
	r := newRand(t)
	const rows, out, in = 5, 24, 2048
	wide := randomWeight(r, tensor.BF16, out, in)
	w, _ := Quantise(nil, wide, make([]byte, Int8Bytes(out, in)))
	x, dst := normals(r, rows*in), make([]float32, rows*out)
	MatMul(nil, dst, x, rows, w)
	want, sum := reference(x, rows, wide), 0.0
	for i := range dst {
		sum += (float64(dst[i]) - want[i]) * (float64(dst[i]) - want[i])
	}
	rms := math.Sqrt(sum/float64(len(dst))) / math.Sqrt(in)
	t.Logf("relative RMS error %.5f", rms)
	if !(rms < 0.01) {
		t.Errorf("relative RMS error %g, want < 0.01", rms)
	}
}

func TestInt8Bytes(t *testing.T) {
	for _, c := range [][3]int{{16, 2048, 16 * 2176}, {32, 1024, 32 * 1088}, {3, 32, 16 * 34}, {17, 33, 32 * 68}, {1, 1, 16 * 34}} {
		if got := Int8Bytes(c[0], c[1]); got != c[2] {
			t.Errorf("[%d, %d]: %d bytes, want %d", c[0], c[1], got, c[2])
		}
	}
}

// A weight is where the format says, whatever is beside it; what fills up the last
// block and the last group is zero.
func TestInt8Layout(t *testing.T) {
	eachActive(t, int8Layout)
}

func int8Layout(t *testing.T) {
	const out, in = 21, 70
	x := make([]float32, out*in)
	for i := range x {
		x[i] = float32(i%255 - 127) // each group's largest magnitude gives it its scale
	}
	w, _ := Quantise(nil, Weight{Out: out, In: in, DType: tensor.F32, Data: stored(tensor.F32, x)}, make([]byte, Int8Bytes(out, in)))
	var group [rowGroup]byte
	for o := range 2 * int8Block {
		for g := range int8Groups(in) {
			var from []float32
			if o < out {
				from = x[o*in+g*int8Group : o*in+min((g+1)*int8Group, in)]
			}
			clear(group[:])
			quantiseWeightsPortable(group[:], from)
			at := w.Data[o/int8Block*int8BlockBytes(in)+g*blockGroup:]
			if got := at[o%int8Block*2:][:2]; string(got) != string(group[2:4]) {
				t.Errorf("scale of output %d, group %d: %v, want %v", o, g, got, group[2:4])
			}
			for k, v := range group[8:] {
				if got := at[blockScales+k/4*64+o%int8Block*4+k%4]; got != v+128 {
					t.Errorf("output %d, group %d, value %d: %d, want %d", o, g, k, got, v+128)
				}
			}
		}
	}
}

// The same bits on every kind of CPU: see TestSameBitsOnEveryCPU.
func TestInt8SameBitsOnEveryCPU(t *testing.T) {
	const rows, out, in = 7, 21, 1072 - 5
	wide := Weight{Out: out, In: in, DType: tensor.BF16, Data: stored(tensor.BF16, integers(3, out*in))}
	w, _ := Quantise(nil, wide, make([]byte, Int8Bytes(out, in)))
	dst := make([]float32, rows*out)
	MatMul(nil, dst, integers(1, rows*in), rows, w)
	hash := fnv.New64a()
	for _, f := range dst {
		_ = binary.Write(hash, binary.LittleEndian, f)
	}
	const want = uint64(0xa78bf254f59cf07f)
	if got := hash.Sum64(); got != want {
		t.Errorf("%s: results hash to %#x, want %#x", Name(), got, want)
	}
}
