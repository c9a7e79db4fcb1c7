package sampling

import (
	"math"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// Logprobs returns the natural-log probability of token under raw logits
// (softmax over all of them, before temperature, bias and penalties), and the
// n most likely tokens, descending, the lower id first on a tie. The
// log-sum-exp is a float64 sum in id order, so its bits depend on the logits
// alone. Rank 1 is the most likely token.
func Logprobs(logits []float32, token int32, n int) (engine.TokenLogprob, []engine.TokenLogprob) {
	lse := logSumExp(logits)
	at := logits[token]
	rank := 1
	for i, v := range logits {
		if v > at || v == at && int32(i) < token {
			rank++
		}
	}
	top := largest(logits, n)
	for i := range top {
		top[i].Logprob = float32(float64(logits[top[i].ID]) - lse)
		top[i].Rank = i + 1
	}
	return engine.TokenLogprob{ID: token, Logprob: float32(float64(at) - lse), Rank: rank}, top
}

func logSumExp(logits []float32) float64 {
	top := float32(math.Inf(-1))
	for _, v := range logits {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range logits {
		sum += exp(float64(v) - float64(top))
	}
	return float64(top) + math.Log(sum)
}

// largest returns the ids of the n largest logits by insertion into a sorted
// list: n is at most 20, so nearly every logit costs one comparison.
func largest(logits []float32, n int) []engine.TokenLogprob {
	if n <= 0 {
		return nil
	}
	top := make([]engine.TokenLogprob, 0, n)
	for i, v := range logits {
		if len(top) == n && v <= logits[top[n-1].ID] {
			continue
		}
		if len(top) < n {
			top = append(top, engine.TokenLogprob{})
		}
		j := len(top) - 1
		for ; j > 0 && v > logits[top[j-1].ID]; j-- {
			top[j] = top[j-1]
		}
		top[j] = engine.TokenLogprob{ID: int32(i)}
	}
	return top
}
