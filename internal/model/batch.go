package model

import "github.com/olmoe-serving/olmoe-operator/internal/checkpoint"

// Row is one token of one sequence in a step.
type Row struct {
	Token int32
	Pos   int    // position in its sequence, from 0
	KV    *Cache // has a page for Pos; rows of one sequence stand in ascending Pos
}

// Tracer sees the intermediate values of rows, for inspection against golden
// vectors. Slices are valid during the call only.
type Tracer interface {
	// Embedding is the residual stream before layer 0 [H].
	Embedding(row int, x []float32)
	// Gate is the selection in a layer: ids and weights [K], and the gap to a tie.
	Gate(layer, row int, ids []int32, weights []float32, gap float32)
	// Layer is the residual stream after a layer [H].
	Layer(layer, row int, x []float32)
	// Final is the residual stream after the final norm [H].
	Final(row int, x []float32)
}

// workspace is the memory of one step, made once for the largest step.
type workspace struct {
	x, h, attn, q []float32   // [rows, H] or [rows, q dim]
	k, v          []float32   // [rows, kv dim]
	probs         []float32   // [rows, E]
	ids           []int32     // [rows, K]
	weights       []float32   // [rows, K]
	out           []float32   // [rows, K, H]: what experts return
	scores        [][]float32 // by lane: [tileRows, positions]
}

func newWorkspace(c *checkpoint.Config, rows, lanes int) *workspace {
	f := func(width int) []float32 { return make([]float32, rows*width) }
	q, kv := c.NumHeads*c.HeadDim, c.NumKVHeads*c.HeadDim
	w := &workspace{
		x: f(c.HiddenSize), h: f(c.HiddenSize), attn: f(q), q: f(q), k: f(kv), v: f(kv),
		probs: f(c.NumExperts), weights: f(c.NumExpertsPerTok),
		ids: make([]int32, rows*c.NumExpertsPerTok),
		out: f(c.NumExpertsPerTok * c.HiddenSize),
	}
	for range lanes {
		w.scores = append(w.scores, make([]float32, tileRows*PagesFor(c.MaxPositionEmbeddings)*PageTokens))
	}
	return w
}
