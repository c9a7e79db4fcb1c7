package sampling

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPrefixProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for trial := range 2000 {
		n := 1 + r.IntN(200)
		c := make([]candidate, n)
		for i := range c {
			c[i] = candidate{value: float32(r.IntN(20)), id: int32(i), weight: float64(1+r.IntN(8)) / 8} // exact sums
		}
		r.Shuffle(n, func(i, j int) { c[i], c[j] = c[j], c[i] })
		byWeight := r.IntN(2) == 0
		need := float64(1 + r.IntN(n))
		if byWeight {
			need = measure(c, true) * r.Float64()
		}
		sorted := slices.Clone(c)
		slices.SortFunc(sorted, func(a, b candidate) int {
			if a.before(b) {
				return -1
			}
			return 1
		})
		want := 1
		for want < n && measure(sorted[:want], byWeight) < need {
			want++
		}
		got := prefix(c, need, byWeight)
		if got != want {
			t.Fatalf("trial %d: kept %d of %d, want %d (need %v, by weight %v)", trial, got, n, want, need, byWeight)
		}
		in := map[int32]bool{}
		for _, x := range c[:got] {
			in[x.id] = true
		}
		for _, x := range sorted[:want] {
			if !in[x.id] {
				t.Fatalf("trial %d: token %d belongs to the prefix but was cut", trial, x.id)
			}
		}
	}
}

// Rounding can make the need a little more than all there is: then all is kept.
func TestPrefixOfMoreThanAll(t *testing.T) {
	c := []candidate{{weight: 0.25, id: 0}, {weight: 0.25, id: 1}, {weight: 0.25, id: 2}}
	if got := prefix(c, 0.7500001, true); got != 3 {
		t.Errorf("kept %d, want 3", got)
	}
}

// Quickselect must not go quadratic on the inputs that a model can produce:
// equal, sorted and reversed values.
func TestPrefixIsLinearOnHardInputs(t *testing.T) {
	for name, value := range map[string]func(i int) float32{
		"equal":    func(int) float32 { return 1 },
		"rising":   func(i int) float32 { return float32(i) },
		"falling":  func(i int) float32 { return float32(-i) },
		"sawtooth": func(i int) float32 { return float32(i % 7) },
	} {
		c := make([]candidate, realVocab)
		for i := range c {
			c[i] = candidate{value: value(i), id: int32(i), weight: 1}
		}
		// The runtime allocates now and then beside the test: an average over
		// several runs rounds that away and still sees one allocation a run.
		allocs := testing.AllocsPerRun(10, func() { prefix(c, realVocab/2, false) })
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
		if got := prefix(c, realVocab/2, true); got != realVocab/2 {
			t.Errorf("%s: kept %d", name, got)
		}
	}
}
