package sampling

import "math"

const (
	expSteps = 64                                    // table entries between powers of two
	perStep  = 1.44269504088896338700 * expSteps     // steps in 1
	stepHi   = 6.93147180369123816490e-01 / expSteps // the size of a step in two parts (ln 2 as in FreeBSD's
	stepLo   = 1.90821492927058770002e-10 / expSteps // e_exp.c): n*stepHi is exact for |n| < 2^20
	// expFloor: e^x below it is less than 1e-304 of the largest weight. It adds
	// nothing to a float64 sum, so it counts as zero.
	expFloor = -700
)

// roots holds 2^(j/64), made of square roots and products, which are rounded the
// same everywhere.
var roots = func() (t [expSteps]float64) {
	for j := range t {
		t[j] = 1
		for root, bit := math.Sqrt2, expSteps/2; bit > 0; root, bit = math.Sqrt(root), bit/2 {
			if j&bit != 0 {
				t[j] *= root
			}
		}
	}
	return t
}()

// exp returns e^x for x <= 0, to within 2e-15 relative. math.Exp is not used: on
// amd64 its assembly fuses multiply and add where the CPU can, so its last bit
// depends on the machine. Here every product is rounded (the conversions
// forbid fusing), so the bits are the same everywhere. And it is faster.
func exp(x float64) float64 {
	if x < expFloor {
		return 0
	}
	n := int(float64(x*perStep) - 0.5) // x <= 0: rounds to nearest
	r := x - float64(float64(n)*stepHi) - float64(float64(n)*stepLo)
	// |r| <= ln2/128: the first term left out, r^6/720, is below 4e-17.
	s := float64(r * r)
	p := 0.5 + float64(r*(1.0/6)) + float64(s*(1.0/24+float64(r*(1.0/120))))
	p = float64(s*p) + r
	t := roots[n&(expSteps-1)]
	return math.Float64frombits(math.Float64bits(t+float64(t*p)) + uint64(int64(n>>6))<<52)
}
