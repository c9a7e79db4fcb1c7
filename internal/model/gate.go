package model

import "github.com/olmoe-serving/olmoe-operator/internal/kernels"

// gate selects K experts for one row. probs [E] holds router logits on entry and
// is destroyed. ids and weights [K] come out in descending probability, the lower
// index first on a tie. The softmax runs over all E experts before the selection,
// so the weights sum to less than 1 unless norm asks for renormalisation.
// It returns (p_K - p_K+1)/p_K, the distance of the selection from a tie.
func gate(probs []float32, ids []int32, weights []float32, norm bool) (gap float32) {
	kernels.Softmax(probs)
	if probs[0] != probs[0] { // NaN: the row is lost, but its ids stay distinct and in range
		for k := range ids {
			ids[k], weights[k] = int32(k), probs[0]
		}
		return 0
	}
	for k := range ids {
		best := argmax(probs)
		ids[k], weights[k] = int32(best), probs[best]
		probs[best] = -1
	}
	last := weights[len(weights)-1]
	gap = 1
	if len(ids) < len(probs) {
		gap = (last - probs[argmax(probs)]) / last
	}
	if norm {
		var sum float32
		for _, w := range weights {
			sum += w
		}
		for k := range weights {
			weights[k] /= sum
		}
	}
	return gap
}

// argmax is the index of the largest value, the lowest on a tie.
func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}
