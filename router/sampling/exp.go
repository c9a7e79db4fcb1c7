package sampling

import "math"

const (
	log2E = 1.44269504088896338700
	ln2Hi = 6.93147180369123816490e-01 // ln 2 in two parts (as in FreeBSD's e_exp.c):
	ln2Lo = 1.90821492927058770002e-10 // k*ln2Hi is exact for |k| < 2^11
	// expFloor: e^x below it is less than 1e-304 of the largest weight. It adds
	// nothing to a float64 sum, so it counts as zero.
	expFloor = -700
)

// exp returns e^x for x <= 0, to within 1e-15 relative. math.Exp is not used: on
// amd64 its assembly fuses multiply and add where the CPU can, so its last bit
// depends on the machine. Here every product is rounded (the conversions
// forbid fusing), so the bits are the same everywhere.
func exp(x float64) float64 {
	if x < expFloor {
		return 0
	}
	k := math.Floor(float64(x*log2E) + 0.5)
	r := x - float64(k*ln2Hi) - float64(k*ln2Lo) // |r| <= ln2/2
	return math.Float64frombits(math.Float64bits(expSmall(r)) + uint64(int64(k))<<52)
}

// expSmall is the Taylor polynomial of e^r for |r| <= 0.35; the first term left
// out, r^13/13!, is below 2e-16. Even and odd powers go apart, which halves
// the chain of dependent operations.
func expSmall(r float64) float64 {
	s := float64(r * r)
	even := 1.0 / 479001600
	even = float64(even*s) + 1.0/3628800
	even = float64(even*s) + 1.0/40320
	even = float64(even*s) + 1.0/720
	even = float64(even*s) + 1.0/24
	even = float64(even*s) + 1.0/2
	even = float64(even*s) + 1
	odd := 1.0 / 39916800
	odd = float64(odd*s) + 1.0/362880
	odd = float64(odd*s) + 1.0/5040
	odd = float64(odd*s) + 1.0/120
	odd = float64(odd*s) + 1.0/6
	odd = float64(odd*s) + 1
	return float64(odd*r) + even
}
