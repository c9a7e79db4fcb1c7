package sampling

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// top against a full sort, with many ties and impossible values.
func TestTopMatchesSort(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for trial := range 400 {
		values := make([]float32, 1+r.IntN(2000))
		for i := range values {
			values[i] = -float32(r.IntN(40)) / 4
			if r.IntN(5) == 0 {
				values[i] = ninf
			}
		}
		values[r.IntN(len(values))] = 0 // the largest is always 0
		var all []candidate
		for i, v := range values {
			if v > ninf {
				all = append(all, candidate{value: v, id: int32(i)})
			}
		}
		byOrder := func(a, b candidate) int {
			if a.before(b) {
				return -1
			}
			return 1
		}
		slices.SortFunc(all, byOrder)
		k := 1 + r.IntN(len(values)+10)
		got := top(values, k, nil)
		slices.SortFunc(got, byOrder)
		if want := all[:min(k, len(all))]; !slices.Equal(got, want) {
			t.Fatalf("trial %d: %d of %d values: got %v, want %v", trial, k, len(values), got, want)
		}
	}
}
