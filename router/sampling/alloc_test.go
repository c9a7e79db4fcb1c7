//go:build !race

package sampling

import "testing"

// No allocation per token in steady state. Penalties are apart: their table
// grows with the distinct tokens.
func TestNextDoesNotAllocate(t *testing.T) {
	logits := randomLogits(1, realVocab)
	for _, m := range modes[:5] {
		s := New(m.p, nil, realVocab)
		next(t, s, logits)
		// A collection can empty the pool in between, hence "less than 1" and not 0.
		if n := testing.AllocsPerRun(20, func() { next(t, s, logits) }); n >= 1 {
			t.Errorf("%s: %v allocations per token", m.name, n)
		}
	}
}
