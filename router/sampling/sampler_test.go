package sampling

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

func TestGreedy(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name   string
		logits []float32
		banned []int32
		want   int32
		err    string
	}{
		{"largest", []float32{1, 3, 2}, nil, 1, ""},
		{"tie: lowest id", []float32{1, 3, 3, 3}, nil, 1, ""},
		{"negative zero ties with zero", []float32{-1, float32(math.Copysign(0, -1)), 0}, nil, 1, ""},
		{"banned", []float32{1, 3, 2}, []int32{1}, 2, ""},
		{"bans outside the vocabulary do nothing", []float32{1, 3}, []int32{-1, 2, 99}, 1, ""},
		{"-Inf is never chosen", []float32{ninf, -5, ninf}, nil, 1, ""},
		{"everything banned", []float32{1, 2}, []int32{0, 1}, 0, "every token"},
		{"everything -Inf", []float32{ninf, ninf}, nil, 0, "every token"},
		{"NaN", []float32{1, nan, 9}, nil, 0, "token 1 is NaN"},
		{"+Inf", []float32{1, 2, float32(math.Inf(1))}, nil, 0, "token 2 is +Inf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, temperature := range []float32{0, 9e-6} {
				s := New(engine.Sampling{Temperature: temperature, TopP: 1}, nil, len(c.logits))
				before := slices.Clone(c.logits)
				got, err := s.Next(c.logits, c.banned)
				if c.err != "" {
					if err == nil || !strings.Contains(err.Error(), c.err) {
						t.Fatalf("error %v, want one with %q", err, c.err)
					}
				} else if err != nil || got != c.want {
					t.Fatalf("got %d, %v, want %d", got, err, c.want)
				}
				if !slices.EqualFunc(before, c.logits, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
					t.Error("the caller's logits were modified")
				}
			}
		})
	}
}

// The lowest temperature that is not greedy draws among equals.
func TestLowestTemperature(t *testing.T) {
	seen := map[int32]bool{}
	for seed := range uint64(20) {
		seen[next(t, New(engine.Sampling{Temperature: greedyBelow, TopP: 1, Seed: seed}, nil, 3), []float32{1, 3, 3})] = true
	}
	if len(seen) != 2 || seen[0] {
		t.Errorf("drawn: %v, want 1 and 2", seen)
	}
}

// The ends of the interval: 0 draws the first token that is possible, and what rounds up
// to 1 the last, with filters and without.
func TestEndsOfTheInterval(t *testing.T) {
	for u, want := range map[float64]int32{0: 1, 1: 3} {
		b := scratch{work: []float32{ninf, 0, -1, -2}}
		if got := b.pickAny(u); got != want {
			t.Errorf("%v without filters draws %d, want %d", u, got, want)
		}
		c := []candidate{{weight: 0, id: 0}, {weight: 1, id: 1}, {weight: 0.5, id: 2}, {weight: 0.25, id: 3}}
		if got := pick(c, u); got != want {
			t.Errorf("%v with filters draws %d, want %d", u, got, want)
		}
	}
}

func TestWrongVocabIsAnError(t *testing.T) {
	if _, err := New(engine.Sampling{}, nil, 4).Next(make([]float32, 3), nil); err == nil {
		t.Error("3 logits for a vocabulary of 4 passed")
	}
}

// An error draws nothing: the step does not move, so the next good row gives
// what it would have given.
func TestErrorDoesNotAdvance(t *testing.T) {
	p := engine.Sampling{Temperature: 1, TopP: 1, Seed: 5}
	logits := randomLogits(1, 100)
	want := next(t, New(p, nil, 100), logits)
	s := New(p, nil, 100)
	bad := slices.Clone(logits)
	bad[3] = float32(math.NaN())
	if _, err := s.Next(bad, nil); err == nil {
		t.Fatal("NaN passed")
	}
	if got := next(t, s, logits); got != want {
		t.Errorf("after an error %d, want %d", got, want)
	}
}

// Every combination of filters against the obvious implementation: the same
// tokens possible, and the very same draw.
func TestMatchesReference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for trial := range 3000 {
		v := 1 + r.IntN(300)
		logits := randomLogits(uint64(trial), v)
		for i := range logits { // ties and impossible tokens
			switch r.IntN(10) {
			case 0:
				logits[i] = float32(math.Round(float64(logits[i])))
			case 1:
				if i > 0 {
					logits[i] = ninf
				}
			}
		}
		p := engine.Sampling{Temperature: 0.1 + 2*r.Float32(), TopP: float32(trial % 2), Seed: r.Uint64()} // top_p 0 and 1 are off
		if r.IntN(2) == 0 {
			p.TopK = 1 + r.IntN(v+5)
		}
		if r.IntN(2) == 0 {
			p.TopP = 0.01 + 0.98*r.Float32()
		}
		if r.IntN(2) == 0 {
			p.MinP = r.Float32()
		}
		want := fromReference(reference(p, logits), uniform(p.Seed, 0))
		if got := next(t, New(p, nil, v), logits); got != want {
			t.Fatalf("trial %d, vocab %d, %+v: got %d, want %d", trial, v, p, got, want)
		}
	}
}

func fromReference(probs []float64, u float64) int32 {
	sum, last := 0.0, 0
	for id, p := range probs {
		if p == 0 {
			continue
		}
		if sum += p; sum > u {
			return int32(id)
		}
		last = id
	}
	return int32(last)
}

// The frequencies of many draws follow the softmax, under each filter. With d
// degrees of freedom chi-square has mean d and deviation sqrt(2d): five
// deviations are passed by chance less than once in 10^5 (the seeds are fixed
// anyway).
func TestDrawsFollowTheDistribution(t *testing.T) {
	logits := randomLogits(9, 60)
	for name, p := range map[string]engine.Sampling{
		"plain":       {Temperature: 1, TopP: 1},
		"hot":         {Temperature: 2, TopP: 1},
		"cold":        {Temperature: 0.5, TopP: 1},
		"top_k":       {Temperature: 1, TopP: 1, TopK: 7},
		"top_p":       {Temperature: 1.5, TopP: 0.8},
		"min_p":       {Temperature: 1.5, TopP: 1, MinP: 0.05},
		"all of them": {Temperature: 1.7, TopP: 0.9, TopK: 30, MinP: 0.02},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 12_000
			probs := reference(p, logits)
			counts := make([]int, len(logits))
			p.Seed = 77
			s := New(p, nil, len(logits))
			for range n {
				counts[next(t, s, logits)]++
			}
			stat, dof := 0.0, -1
			for id, q := range probs {
				if q == 0 && counts[id] > 0 {
					t.Fatalf("token %d was cut but drawn", id)
				}
				if e := q * n; e >= 5 { // the usual condition for the approximation
					stat += (float64(counts[id]) - e) * (float64(counts[id]) - e) / e
					dof++
				}
			}
			if bound := float64(dof) + 5*math.Sqrt(2*float64(dof)); stat > bound {
				t.Errorf("chi-square %.1f with %d degrees of freedom, bound %.1f", stat, dof, bound)
			}
		})
	}
}

// Invariant 1: the same seed and position give the same token, whatever else
// runs, and whatever the pooled scratch held before.
func TestSameSeedSameTokens(t *testing.T) {
	p := engine.Sampling{Temperature: 1, TopP: 0.95, TopK: 200, Seed: 99, FrequencyPenalty: 0.3}
	run := func() []int32 {
		s, out := New(p, []int32{1, 2, 3}, 5000), []int32(nil)
		for i := range 30 {
			out = append(out, next(t, s, randomLogits(uint64(i), 5000)))
		}
		return out
	}
	want := run()
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if got := run(); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}()
	}
	wg.Wait()
	p.Seed++
	if slices.Equal(run(), want) {
		t.Error("another seed gave the same 30 tokens")
	}
}

func TestTopK1IsGreedy(t *testing.T) {
	for seed := range uint64(50) {
		logits := randomLogits(seed, 500)
		want := next(t, New(engine.Sampling{}, nil, 500), logits)
		for name, p := range map[string]engine.Sampling{
			"top_k 1":    {Temperature: 1.3, TopP: 1, TopK: 1, Seed: seed},
			"tiny top_p": {Temperature: 1.3, TopP: 1e-6, Seed: seed},
			"min_p 1":    {Temperature: 1.3, TopP: 1, MinP: 1, Seed: seed},
			"cold":       {Temperature: 2e-5, TopP: 1, Seed: seed},
		} {
			if got := next(t, New(p, nil, 500), logits); got != want {
				t.Errorf("%s: got %d, want the argmax %d", name, got, want)
			}
		}
	}
}

// Equal logits: top_k keeps exactly k, the lowest ids.
func TestTiesAreCutByID(t *testing.T) {
	logits := make([]float32, 100)
	s := New(engine.Sampling{Temperature: 1, TopP: 1, TopK: 3, Seed: 1}, nil, 100)
	seen := map[int32]bool{}
	for range 300 {
		seen[next(t, s, logits)] = true
	}
	if len(seen) != 3 || !seen[0] || !seen[1] || !seen[2] {
		t.Errorf("drew %v, want 0, 1 and 2", seen)
	}
}
