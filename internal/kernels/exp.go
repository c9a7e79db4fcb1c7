package kernels

import "math"

// Constants of exp32, shared by the portable and the vector kernels.
const (
	expLo    = -104            // exp(-104) < half the smallest subnormal: 0
	expHi    = 89              // exp(89) > the largest float32: +Inf
	expMagic = 1.5 * (1 << 23) // adding it rounds to the nearest integer
	log2e    = 1.44269504088896341
	ln2Hi    = 0.693359375    // 10 bits, so n*ln2Hi is exact
	ln2Lo    = -2.12194440e-4 // ln 2 - ln2Hi
)

// expPoly approximates (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, highest power
// first (the coefficients of Cephes' expf).
var expPoly = [6]float32{
	1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
	4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
}

// exp32 is e^x within 2 ulp (over every float32 the worst is 1.01). x = n ln 2 + r; the
// polynomial gives e^r; the scaling by 2^n is done in two factors so that
// results may be subnormal. exp32(-Inf) = 0, exp32(+Inf) = +Inf, NaN stays NaN.
func exp32(x float32) float32 {
	if x < expLo {
		x = expLo
	}
	if x > expHi {
		x = expHi
	}
	t := fma32(x, log2e, expMagic)
	n := t - expMagic
	r := fma32(n, -ln2Hi, x)
	r = fma32(n, -ln2Lo, r)
	p := expPoly[0]
	for _, c := range expPoly[1:] {
		p = fma32(p, r, c)
	}
	p = fma32(p, float32(r*r), r) + 1
	i := int32(math.Float32bits(t)) - int32(math.Float32bits(expMagic))
	half := i >> 1
	return float32(p*pow2(half)) * pow2(i-half)
}

// pow2 is 2^i for -126 <= i <= 127.
func pow2(i int32) float32 { return math.Float32frombits(uint32(i+127) << 23) }
