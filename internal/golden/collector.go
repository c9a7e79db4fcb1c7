// Package golden records what the model computes for a prompt, in the tensors of
// golden files: for comparison with an independent implementation.
package golden

import (
	"math"
	"slices"
	"sort"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

// topN is how many of the largest logits are kept at every position.
const topN = 20

// Collector implements engine.Tracer for one prompt of T tokens. Positions may
// come in any order and more than once; positions past the prompt are ignored.
type Collector struct {
	cfg    *checkpoint.Config
	prompt []int32
	top    int

	logitsLast    []float32 // [V]
	topIDs        []int32   // [T, top]
	topLogits     []float32
	tokenLogprobs []float32 // [T-1]
	routerIDs     []int32   // [L, T, K]
	routerWeights []float32
	routerGap     []float32 // [L, T]
	hiddenLast    []float32 // [L+1, H]
	finalLast     []float32 // [H]
}

// NewCollector makes a collector for a prompt.
func NewCollector(cfg *checkpoint.Config, prompt []int32) *Collector {
	t, l, k, top := len(prompt), cfg.NumLayers, cfg.NumExpertsPerTok, min(topN, cfg.VocabSize)
	return &Collector{
		cfg: cfg, prompt: prompt, top: top,
		logitsLast: make([]float32, cfg.VocabSize),
		topIDs:     make([]int32, t*top), topLogits: make([]float32, t*top),
		tokenLogprobs: make([]float32, t-1),
		routerIDs:     make([]int32, l*t*k), routerWeights: make([]float32, l*t*k), routerGap: make([]float32, l*t),
		hiddenLast: make([]float32, (l+1)*cfg.HiddenSize), finalLast: make([]float32, cfg.HiddenSize),
	}
}

func (c *Collector) last(pos int) bool { return pos == len(c.prompt)-1 }

// Embedding keeps the last position's residual stream before layer 0.
func (c *Collector) Embedding(pos int, x []float32) { c.Layer(-1, pos, x) }

// Layer keeps the last position's residual stream after a layer.
func (c *Collector) Layer(layer, pos int, x []float32) {
	if c.last(pos) {
		copy(c.hiddenLast[(layer+1)*c.cfg.HiddenSize:], x)
	}
}

// Gate keeps every position's selection.
func (c *Collector) Gate(layer, pos int, ids []int32, weights []float32, gap float32) {
	if pos >= len(c.prompt) {
		return
	}
	at := layer*len(c.prompt) + pos
	copy(c.routerIDs[at*len(ids):], ids)
	copy(c.routerWeights[at*len(ids):], weights)
	c.routerGap[at] = gap
}

// Final keeps the last position's row after the final norm.
func (c *Collector) Final(pos int, x []float32) {
	if c.last(pos) {
		copy(c.finalLast, x)
	}
}

// Logits keeps the largest logits of every position, the probability of the
// prompt's next token, and the last position's logits whole.
func (c *Collector) Logits(pos int, logits []float32) {
	switch {
	case pos >= len(c.prompt):
		return
	case c.last(pos):
		copy(c.logitsLast, logits)
	default:
		c.tokenLogprobs[pos] = float32(float64(logits[c.prompt[pos+1]]) - logSumExp(logits))
	}
	for i, id := range largest(logits, c.top) {
		c.topIDs[pos*c.top+i] = id
		c.topLogits[pos*c.top+i] = logits[id]
	}
}

// logSumExp in float64, in index order.
func logSumExp(x []float32) float64 {
	m, sum := float64(slices.Max(x)), 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - m)
	}
	return m + math.Log(sum)
}

// largest returns the indices of the n largest values, descending, the lower
// index first on a tie.
func largest(x []float32, n int) []int32 {
	ids := make([]int32, 0, n+1)
	for i, v := range x {
		if len(ids) == n && v <= x[ids[n-1]] {
			continue
		}
		at := sort.Search(len(ids), func(j int) bool { return x[ids[j]] < v })
		ids = slices.Insert(ids, at, int32(i))
		ids = ids[:min(len(ids), n)]
	}
	return ids
}
