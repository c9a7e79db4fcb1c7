package kernels

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactFMA rounds x*y+z once, by arbitrary precision.
func exactFMA(x, y, z float32) float32 {
	b := func(v float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(v)) }
	s := new(big.Float).SetPrec(1000).Mul(b(x), b(y))
	s.Add(s, b(z))
	f, _ := s.Float32()
	return f
}

func TestFMA32RoundsOnce(t *testing.T) {
	r := newRand(t)
	for range 300_000 {
		x, y, z := trickyFloat(r), trickyFloat(r), trickyFloat(r)
		got, want := fma32(x, y, z), exactFMA(x, y, z)
		if got != want {
			t.Fatalf("fma32(%x, %x, %x) = %x, want %x", x, y, z, got, want)
		}
	}
}

// trickyFloat returns finite values with few significant bits (so that sums
// fall on midpoints), and among them very small and very large ones.
func trickyFloat(r *rand.Rand) float32 {
	bits := r.Uint32() & 0x807fffff
	switch r.IntN(3) {
	case 0:
		bits &^= 1<<uint(r.IntN(24)) - 1
	case 1:
		bits |= 1<<uint(r.IntN(23)) - 1
	}
	exp := uint32(127 - 30 + r.IntN(60))
	switch r.IntN(4) {
	case 0:
		exp = uint32(r.IntN(30))
	case 1:
		exp = uint32(255 - 1 - r.IntN(20))
	}
	return math.Float32frombits(bits | exp<<23)
}

func TestFMA32Special(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	negZero := float32(math.Copysign(0, -1))
	tests := []struct{ x, y, z, want float32 }{
		{1, 1, -1, 0},
		{0, 5, negZero, 0},
		{0, -5, negZero, negZero},
		{inf, 1, 1, inf},
		{inf, 0, 1, nan},
		{inf, 1, -inf, nan},
		{nan, 1, 1, nan},
		{1, 1, nan, nan},
		{math.MaxFloat32, 2, 0, inf},
		{0x1p-100, 0x1p-60, 0, 0},
		{0x1p-100, -0x1p-60, 0, negZero},
		{0x1p-100, 0x1p-49, 0, 0x1p-149},
		{1, 0x1p-149, 0x1p-149, 0x1p-148},
		// 1 + 2^-24 + 2^-60: two roundings would give 1.
		{0x1p-30, 0x1p-30, 1 + 0x1p-23, 1 + 0x1p-23},
	}
	for _, c := range tests {
		sameBits(t, "fma32", []float32{fma32(c.x, c.y, c.z)}, []float32{c.want})
	}
}

func TestExp32Within2ULP(t *testing.T) {
	step := uint32(997) // every 997th float32; over all of them the worst is 1.01
	worst := 0.0
	for b := uint64(0); b < 1<<32; b += uint64(step) {
		x := math.Float32frombits(uint32(b))
		if x != x {
			continue
		}
		got, want := float64(exp32(x)), math.Exp(float64(x))
		if want > math.MaxFloat32 || got == want {
			continue
		}
		_, exponent := math.Frexp(want)
		ulp := math.Max(math.Ldexp(1, exponent-24), 0x1p-149)
		worst = max(worst, math.Abs(got-want)/ulp)
	}
	if worst > 2 {
		t.Errorf("exp32 is off by %.2f ulp", worst)
	}
	t.Logf("worst error %.3f ulp", worst)
}

func TestExp32Special(t *testing.T) {
	inf := float32(math.Inf(1))
	tests := []struct{ x, want float32 }{
		{0, 1}, {float32(math.Copysign(0, -1)), 1}, {-inf, 0}, {inf, inf}, {88.8, inf}, {3e38, inf},
		{-3e38, 0}, {-104.1, 0}, {float32(math.NaN()), float32(math.NaN())}, {0x1p-149, 1},
	}
	for _, c := range tests {
		sameBits(t, "exp32", []float32{exp32(c.x)}, []float32{c.want})
	}
}
