package kernels

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// reference is the product in float64.
func reference(x []float32, rows int, w Weight) []float64 {
	wide := make([]float32, w.Out*w.In)
	Widen(wide, w.DType, w.Data)
	out := make([]float64, rows*w.Out)
	for r := range rows {
		for o := range w.Out {
			for i := range w.In {
				out[r*w.Out+o] += float64(x[r*w.In+i]) * float64(wide[o*w.In+i])
			}
		}
	}
	return out
}

func TestMatMulAgainstFloat64(t *testing.T) {
	r := newRand(t)
	p := NewPool(2)
	defer p.Close()
	for _, d := range dtypes {
		for _, s := range []struct{ rows, out, in int }{{1, 1, 1}, {1, 33, 17}, {3, 40, 64}, {7, 100, 128}, {33, 19, 48}} {
			w := randomWeight(r, d, s.out, s.in)
			x, dst := normals(r, s.rows*s.in), make([]float32, s.rows*s.out)
			MatMul(p, dst, x, s.rows, w)
			near(t, fmt.Sprint(d, s), dst, reference(x, s.rows, w), 1e-4)
		}
	}
}

// Invariant 1: an element is the same whatever is computed beside it.
func TestMatMulElementIndependentOfShape(t *testing.T) {
	r := newRand(t)
	const rows, out, in = 11, 37, 80
	for _, d := range dtypes {
		w := randomWeight(r, d, out, in)
		x := normals(r, rows*in)
		want := make([]float32, rows*out)
		for i := range want {
			matMulRange(want[i-i%out:], out, x[i/out*in:], in, 1, w, i%out, i%out+1)
		}
		for range 200 {
			lo, first := r.IntN(out), r.IntN(rows)
			hi, n := lo+1+r.IntN(out-lo), 1+r.IntN(rows-first)
			got := make([]float32, rows*out)
			matMulRange(got[first*out:], out, x[first*in:], in, n, w, lo, hi)
			for row := first; row < first+n; row++ {
				sameBits(t, fmt.Sprintf("%v rows [%d,%d) outputs [%d,%d)", d, first, first+n, lo, hi),
					got[row*out+lo:row*out+hi], want[row*out+lo:row*out+hi])
			}
		}
	}
}

func TestMatMulRangeLeavesTheRestAlone(t *testing.T) {
	r := newRand(t)
	w := randomWeight(r, tensor.BF16, 20, 32)
	const rows, dstStride, xStride = 5, 23, 40
	x := normals(r, rows*xStride)
	dst := make([]float32, rows*dstStride)
	for i := range dst {
		dst[i] = 7
	}
	matMulRange(dst, dstStride, x, xStride, rows, w, 3, 17)
	for i, v := range dst {
		inside := i%dstStride >= 3 && i%dstStride < 17
		if !inside && v != 7 {
			t.Errorf("element %d outside the range was written: %g", i, v)
		}
		if inside && v == 7 {
			t.Errorf("element %d inside the range was not written", i)
		}
	}
}

func TestMatMulManyMatchesMatMul(t *testing.T) {
	r := newRand(t)
	for _, workers := range []int{1, 2, 5} {
		p := NewPool(workers)
		var jobs []Job
		var want [][]float32
		for i, rows := range []int{1, 0, 4, 2, 0} {
			w := randomWeight(r, dtypes[i%3], 50+i*100, 64)
			x := normals(r, rows*w.In)
			jobs = append(jobs, Job{Dst: make([]float32, rows*w.Out), X: x, DstStride: w.Out, XStride: w.In, Rows: rows, W: w})
			one := make([]float32, rows*w.Out)
			MatMul(nil, one, x, rows, w)
			want = append(want, one)
		}
		for range 20 {
			MatMulMany(p, jobs)
		}
		for i := range jobs {
			sameBits(t, fmt.Sprintf("%d workers, job %d", workers, i), jobs[i].Dst, want[i])
		}
		MatMulMany(p, nil)
		p.Close()
	}
}

func TestMatMulPropagatesNonFinite(t *testing.T) {
	x := make([]float32, 2*16)
	x[3] = float32(math.Inf(1))
	x[16+3] = float32(math.NaN())
	ones := make([]float32, 16)
	for i := range ones {
		ones[i] = 1
	}
	dst := make([]float32, 2)
	MatMul(nil, dst, x, 2, Weight{Out: 1, In: 16, DType: tensor.BF16, Data: stored(tensor.BF16, ones)})
	if !math.IsInf(float64(dst[0]), 1) || dst[1] == dst[1] {
		t.Errorf("got %v, want +Inf and NaN", dst)
	}
}

func TestMatMulRefusesShortSlices(t *testing.T) {
	w := Weight{Out: 4, In: 8, DType: tensor.F32, Data: make([]byte, 128)}
	full := func(n int) []float32 { return make([]float32, n) }
	tests := map[string]func(){
		"dst":     func() { matMulRange(full(7), 4, full(16), 8, 2, w, 0, 4) },
		"x":       func() { matMulRange(full(8), 4, full(15), 8, 2, w, 0, 4) },
		"range":   func() { matMulRange(full(8), 5, full(16), 8, 2, w, 0, 5) },
		"strides": func() { matMulRange(full(8), 3, full(16), 8, 2, w, 0, 4) },
		"weight": func() {
			matMulRange(full(8), 4, full(16), 8, 2, Weight{Out: 4, In: 8, DType: tensor.F32, Data: w.Data[1:]}, 0, 4)
		},
	}
	for name, f := range tests {
		if msg, ok := recovered(f).(string); !ok || !strings.HasPrefix(msg, "kernels: MatMul: ") {
			t.Errorf("%s: recovered %q, want a message of MatMul", name, msg)
		}
	}
}

func TestNewWeight(t *testing.T) {
	ok := tensor.Tensor{Name: "w", DType: tensor.F16, Shape: []int{3, 5}, Data: make([]byte, 30)}
	w, err := NewWeight(ok)
	if err != nil || w.Out != 3 || w.In != 5 || w.rowBytes() != 10 {
		t.Errorf("NewWeight(%v) = %v, %v", ok.Shape, w, err)
	}
	bad := map[string]func(*tensor.Tensor){
		"w: shape [3]":     func(t *tensor.Tensor) { t.Shape = []int{3} },
		"w: shape [0 5]":   func(t *tensor.Tensor) { t.Shape = []int{0, 5} },
		"w: 29 bytes":      func(t *tensor.Tensor) { t.Data = t.Data[1:] },
		"w: dtype DType(9": func(t *tensor.Tensor) { t.DType = 9 },
	}
	for want, spoil := range bad {
		b := ok
		spoil(&b)
		if _, err := NewWeight(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}
