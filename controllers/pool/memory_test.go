package pool

import "testing"

// TestAnOutdatedCacheIsTold: what a cache is behind for some rounds is expected, and an
// error if it lasts.
func TestAnOutdatedCacheIsTold(t *testing.T) {
	m := &memory{}
	for n := range 2 * outdatedRounds {
		if got, want := m.mayBeOutdated(), n < outdatedRounds; got != want {
			t.Errorf("round %d: %v, want %v", n, got, want)
		}
	}
}
