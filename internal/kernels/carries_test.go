package kernels

import "testing"

// One bit is found wherever it is, in whatever length; carries stay in their word.
func TestCarriesEqualBits(t *testing.T) {
	eachSet(t, func(t *testing.T, s *kernelSet) {
		r := newRand(t)
		for trial := range 2000 {
			b := unaligned(r, make([]byte, r.IntN(700)))
			for range r.IntN(4) {
				if len(b) > 0 {
					b[r.IntN(len(b))] = byte(r.IntN(256))
				}
			}
			mask, add := r.Uint64(), r.Uint64()>>r.IntN(64)
			if got, want := s.carries(b, mask, add), carriesPortable(b, mask, add); got != want {
				t.Fatalf("trial %d: %d bytes, mask %#x, add %#x: %#x, want %#x", trial, len(b), mask, add, got, want)
			}
		}
	})
}
