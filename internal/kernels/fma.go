package kernels

import "math"

// fma32 is the correctly rounded x*y+z, bit for bit what a hardware float32
// fused multiply-add gives. The product of two float32 is exact in float64;
// the sum is rounded to 53 bits and then to 24. That second rounding goes wrong
// only if the 53-bit sum lies on the midpoint of two float32 (low 29 bits =
// 100…0) or the result is subnormal, where the midpoints sit elsewhere: those
// rare cases take fmaOdd.
func fma32(x, y, z float32) float32 {
	const lowBits, midpoint = 1<<29 - 1, 1 << 28
	const minNormal32 = (1023 - 126) << 52
	s := float64(x)*float64(y) + float64(z)
	b := math.Float64bits(s)
	if b&lowBits != midpoint && b&^(1<<63) >= minNormal32 {
		return float32(s)
	}
	return fmaOdd(x, y, z)
}

// fmaOdd rounds the float64 sum to odd before the conversion, which makes two
// roundings equal to one (Boldo and Melquiond, "Emulation of FMA and correctly
// rounded sums", 2008). The error of the sum is exact (Knuth's TwoSum).
func fmaOdd(x, y, z float32) float32 {
	p, c := float64(x)*float64(y), float64(z)
	s := p + c
	t := s - p
	err := (p - (s - t)) + (c - t)
	b := math.Float64bits(s)
	if err == 0 || err != err || b&1 == 1 {
		return float32(s) // exact, not finite, or odd already
	}
	if (err > 0) == (s > 0) {
		b++
	} else {
		b--
	}
	return float32(math.Float64frombits(b))
}
