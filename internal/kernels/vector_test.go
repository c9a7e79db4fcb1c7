package kernels

import (
	"math"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

func TestDotAgainstFloat64(t *testing.T) {
	r := newRand(t)
	for _, n := range []int{0, 1, 15, 16, 17, 64, 129, 2048} {
		a, b := normals(r, n), normals(r, n)
		want := 0.0
		for i := range a {
			want += float64(a[i]) * float64(b[i])
		}
		near(t, "Dot", []float32{Dot(a, b)}, []float64{want}, 1e-4)
	}
}

func TestElementwise(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	x := []float32{1, -2, 3, 0}
	Add(x, []float32{1, 1, 1, 1})
	sameBits(t, "Add", x, []float32{2, -1, 4, 1})
	Scale(x, 0.5)
	sameBits(t, "Scale", x, []float32{1, -0.5, 2, 0.5})
	Axpy(x, []float32{1, 2, 3, 4}, 2)
	sameBits(t, "Axpy", x, []float32{3, 3.5, 8, 8.5})
	x = []float32{9, -9, 7, -inf, inf, nan, 0}
	Clamp(x, 8)
	sameBits(t, "Clamp", x, []float32{8, -8, 7, -8, 8, nan, 0})
}

func TestSoftmax(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	r := newRand(t)
	for _, n := range []int{1, 5, 16, 64, 1000} {
		x := normals(r, n)
		Scale(x, 20)
		want := make([]float64, n)
		sum := 0.0
		for i, v := range x {
			want[i] = math.Exp(float64(v - slices.Max(x)))
			sum += want[i]
		}
		for i := range want {
			want[i] /= sum
		}
		Softmax(x)
		near(t, "Softmax", x, want, 1e-6)
	}
	tests := []struct{ x, want []float32 }{
		{[]float32{}, []float32{}},
		{[]float32{-inf, 0, -inf, 0}, []float32{0, 0.5, 0, 0.5}},
		{[]float32{3e38, -3e38}, []float32{1, 0}},
		{[]float32{-inf, -inf}, []float32{nan, nan}},
		{[]float32{0, nan}, []float32{nan, nan}},
		{[]float32{0, inf}, []float32{nan, nan}},
	}
	for _, c := range tests {
		Softmax(c.x)
		sameBits(t, "Softmax", c.x, c.want)
	}
}

func TestSiLUMul(t *testing.T) {
	g := []float32{-1e4, -100, -90, -1, 0, 1, 50, 1e4}
	got, up := make([]float32, len(g)), []float32{1, 1, 1, 2, 3, -1, 1, 1}
	SiLUMul(got, g, up)
	want := make([]float64, len(g))
	for i, v := range g {
		want[i] = float64(v) / (1 + math.Exp(-float64(v))) * float64(up[i])
	}
	near(t, "SiLUMul", got, want, 1e-6)
}

func TestRMSNormAndRope(t *testing.T) {
	r := newRand(t)
	x, w := normals(r, 100), normals(r, 100)
	ss := 0.0
	for _, v := range x {
		ss += float64(v) * float64(v)
	}
	want := make([]float64, 100)
	for i := range x {
		want[i] = float64(w[i]) * float64(x[i]) / math.Sqrt(ss/100+1e-5)
	}
	RMSNorm(x, x, w, 1e-5)
	near(t, "RMSNorm in place", x, want, 1e-6)

	x = normals(r, 10)
	cos, sin := normals(r, 5), normals(r, 5)
	for i := range 5 {
		a, b, c, s := float64(x[i]), float64(x[i+5]), float64(cos[i]), float64(sin[i])
		want[i], want[i+5] = a*c-b*s, b*c+a*s
	}
	Rope(x, cos, sin)
	near(t, "Rope", x, want[:10], 1e-6)
}

func TestWidenExact(t *testing.T) {
	inf := float32(math.Inf(1))
	tests := []struct {
		t    tensor.DType
		src  []byte
		want []float32
	}{
		{tensor.BF16, []byte{0x80, 0x3f, 0x80, 0xff, 1, 0, 0, 0x80}, []float32{1, -inf, 0x1p-133, float32(math.Copysign(0, -1))}},
		{tensor.F16, []byte{0, 0x3c, 0, 0xfc, 1, 0, 0xff, 3, 0xff, 0x7b}, []float32{1, -inf, 0x1p-24, 1023 * 0x1p-24, 65504}},
		{tensor.F32, []byte{0, 0, 0x80, 0x3f}, []float32{1}},
	}
	for _, c := range tests {
		got := make([]float32, len(c.want))
		Widen(got, c.t, c.src)
		sameBits(t, c.t.String(), got, c.want)
	}
	if recovered(func() { Widen(make([]float32, 2), tensor.F32, make([]byte, 7)) }) == nil {
		t.Error("Widen accepted 7 bytes for 2 float32")
	}
}
