package sampling

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

const realVocab = 50304

var ninf = float32(math.Inf(-1))

// randomLogits have the spread of a real model's (standard deviation about 3).
func randomLogits(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * 3)
	}
	return x
}

func next(t testing.TB, s *Sampler, logits []float32, banned ...int32) int32 {
	t.Helper()
	id, err := s.Next(logits, banned)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// reference computes the distribution the slow and obvious way: full sorts,
// math.Exp, one filter after the other. It returns the probability of each id.
func reference(p engine.Sampling, logits []float32) []float64 {
	ids := make([]int, len(logits))
	for i := range ids {
		ids[i] = i
	}
	sort.SliceStable(ids, func(a, b int) bool { return logits[ids[a]] > logits[ids[b]] })
	top := logits[ids[0]]
	weight := func(id int) float64 { return math.Exp(float64((logits[id] - top) / p.Temperature)) }
	if p.TopK > 0 && p.TopK < len(ids) {
		ids = ids[:p.TopK]
	}
	total := 0.0
	for _, id := range ids {
		total += weight(id)
	}
	if p.TopP > 0 && p.TopP < 1 {
		sum := 0.0
		for i, id := range ids {
			if sum += weight(id); sum >= float64(p.TopP)*total {
				ids = ids[:i+1]
				break
			}
		}
	}
	out := make([]float64, len(logits))
	total = 0
	for _, id := range ids {
		if weight(id) >= float64(p.MinP) {
			out[id] = weight(id)
			total += out[id]
		}
	}
	for i := range out {
		out[i] /= total
	}
	return out
}
