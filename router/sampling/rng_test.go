package sampling

import (
	"math"
	"testing"
)

// The draw of a (seed, step) is part of the contract: a client that repeats a
// seeded request after an upgrade expects the same answer.
func TestUniformKnownValues(t *testing.T) {
	for _, c := range []struct {
		seed, step uint64
		want       float64
	}{{0, 0, 0.6524484863740322}, {0, 1, 0.7012121095215252}, {1, 0, 0.36818951565166946}, {math.MaxUint64, 7, 0.7238582745899125}} {
		if got := uniform(c.seed, c.step); got != c.want {
			t.Errorf("uniform(%d, %d) = %v, want %v", c.seed, c.step, got, c.want)
		}
	}
}

// mix must be the published splitmix64: its first outputs for state 0.
func TestMixIsSplitmix64(t *testing.T) {
	for i, want := range []uint64{0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F} {
		if got := mix(golden * uint64(i+1)); got != want {
			t.Errorf("output %d = %#x, want %#x", i, got, want)
		}
	}
}

// chi2 is Pearson's statistic of counts against equal expectation; with 99
// degrees of freedom it exceeds 161 with probability 1e-4.
func chi2(counts []int, n int) float64 {
	want := float64(n) / float64(len(counts))
	sum := 0.0
	for _, c := range counts {
		sum += (float64(c) - want) * (float64(c) - want) / want
	}
	return sum
}

func TestUniformIsUniform(t *testing.T) {
	const n, bound = 200_000, 161
	for name, draw := range map[string]func(i uint64) float64{
		"over steps":             func(i uint64) float64 { return uniform(42, i) },
		"over seeds":             func(i uint64) float64 { return uniform(i, 0) },
		"seeds a gamma apart":    func(i uint64) float64 { return uniform(i*golden, 0) },
		"seed and step together": func(i uint64) float64 { return uniform(i, i) },
		"choices of one request": func(i uint64) float64 { return uniform(SeedOf(7, int(i)), 0) },
		"pairs of steps (sum)": func(i uint64) float64 {
			s := uniform(3, 2*i) + uniform(3, 2*i+1)
			return s - math.Floor(s)
		},
	} {
		counts := make([]int, 100)
		for i := range uint64(n) {
			u := draw(i)
			if u < 0 || u >= 1 {
				t.Fatalf("%s: %v is outside [0, 1)", name, u)
			}
			counts[int(u*100)]++
		}
		if got := chi2(counts, n); got > bound {
			t.Errorf("%s: chi-square %.1f > %d", name, got, bound)
		}
	}
}

func TestSeedOf(t *testing.T) {
	if SeedOf(12345, 0) != 12345 {
		t.Error("choice 0 must use the request's own seed")
	}
	seen := map[uint64]bool{}
	for seed := range uint64(50) {
		for i := range 50 {
			s := SeedOf(seed, i)
			if seen[s] {
				t.Fatalf("seed %d choice %d repeats another's seed", seed, i)
			}
			seen[s] = true
		}
	}
}
