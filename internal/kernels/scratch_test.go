package kernels

import "testing"

// What is kept for later is bounded, whatever ran at once (invariant 8).
func TestScratchIsBounded(t *testing.T) {
	s := newScratch[int]()
	for range 10 * maxScratch {
		s.put(new(int))
	}
	if n := len(s.free); n > maxScratch {
		t.Errorf("%d are kept, want at most %d", n, maxScratch)
	}
}
