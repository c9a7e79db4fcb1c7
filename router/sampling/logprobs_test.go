package sampling

import (
	"math"
	"slices"
	"sort"
	"testing"
)

func TestLogprobsSmall(t *testing.T) {
	logits := []float32{1, 3, 3, ninf}
	lse := math.Log(math.Exp(1) + 2*math.Exp(3))
	for _, c := range []struct {
		token int32
		rank  int
		want  float64
	}{{0, 3, 1 - lse}, {1, 1, 3 - lse}, {2, 2, 3 - lse}, {3, 4, math.Inf(-1)}} {
		got, top := Logprobs(logits, c.token, 0)
		if got.ID != c.token || got.Rank != c.rank || float64(got.Logprob) != float64(float32(c.want)) {
			t.Errorf("token %d: %+v, want rank %d, %v", c.token, got, c.rank, c.want)
		}
		if len(top) != 0 {
			t.Errorf("asked for none, got %v", top)
		}
	}
}

// Of equal ones the lower id comes first, wherever in the list they are.
func TestLogprobsTies(t *testing.T) {
	for n, want := range map[int][]int32{1: {1}, 2: {1, 3}, 3: {1, 3, 4}, 4: {1, 3, 4, 0}, 6: {1, 3, 4, 0, 2, 5}} {
		_, top := Logprobs([]float32{2, 3, 2, 3, 3, 1}, 0, n)
		var got []int32
		for _, e := range top {
			got = append(got, e.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the first %d are %v, want %v", n, got, want)
		}
	}
}

func TestLogprobsTop(t *testing.T) {
	logits := randomLogits(11, realVocab)
	logits[40000] = logits[123] // a tie, and the lower id wins it
	_, top := Logprobs(logits, 5, 20)
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	sort.SliceStable(ids, func(a, b int) bool { return logits[ids[a]] > logits[ids[b]] })
	if len(top) != 20 {
		t.Fatalf("%d entries", len(top))
	}
	for i, e := range top {
		own, _ := Logprobs(logits, e.ID, 0)
		if e.ID != ids[i] || e.Rank != i+1 || own != e {
			t.Errorf("entry %d: %+v, want token %d, the same as its own %+v", i, e, ids[i], own)
		}
	}
}

func TestLogprobsAreADistribution(t *testing.T) {
	logits := randomLogits(12, 200)
	sum := 0.0
	for id := range logits {
		p, _ := Logprobs(logits, int32(id), 0)
		sum += math.Exp(float64(p.Logprob))
	}
	if math.Abs(sum-1) > 1e-5 {
		t.Errorf("probabilities sum to %v", sum)
	}
}

func TestLogprobsMoreThanThereAre(t *testing.T) {
	if _, top := Logprobs([]float32{1, 2}, 0, 5); len(top) != 2 || top[0].ID != 1 {
		t.Errorf("got %v", top)
	}
}
