package sampling

import (
	"math"
	"testing"
)

func TestExp(t *testing.T) {
	worst := 0.0
	for i := range 2_000_000 {
		x := -float64(i) * 700 / 2_000_000
		worst = max(worst, math.Abs(exp(x)/math.Exp(x)-1))
	}
	if worst > 2e-15 {
		t.Errorf("relative error %g", worst)
	}
	for k := range 1000 { // exact at powers of two
		if x := exp(-math.Ln2 * float64(k)); math.Abs(x/math.Ldexp(1, -k)-1) > 2e-13 { // k*ln 2 itself is rounded
			t.Errorf("exp(-%d ln 2) = %v", k, x)
		}
	}
	if exp(0) != 1 || exp(-701) != 0 || exp(math.Inf(-1)) != 0 {
		t.Errorf("exp(0) = %v, exp(-701) = %v, exp(-Inf) = %v", exp(0), exp(-701), exp(math.Inf(-1)))
	}
	if !math.IsNaN(exp(math.NaN())) {
		t.Error("exp(NaN) must stay NaN, so that a fault is seen")
	}
}

// The bits of the results are part of the contract (invariant 1): another CPU
// or compiler must not change them.
func TestExpBits(t *testing.T) {
	h := uint64(0)
	for i := range 100_000 {
		h = mix(h ^ math.Float64bits(exp(-float64(i)/512)))
	}
	if h != 0xd926c31289f9786e {
		t.Errorf("hash of the results %#x", h)
	}
}
