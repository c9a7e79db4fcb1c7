package model

import (
	"context"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// Experts computes rows' experts somewhere else: x [rows,H], ids [rows,K];
// out [rows,K,H] receives each expert's output, not weighted. An error means that
// out is not complete; nothing partial is ever used (invariant 2).
type Experts interface {
	Do(ctx context.Context, layer int, x []float32, rows int, ids []int32, out []float32) error
}

// Runner runs steps of a trunk. It owns the memory of a step, so it serves one
// step at a time.
type Runner struct {
	*Trunk
	pool    *kernels.Pool
	experts Experts
	ws      *workspace
	jobs    []kernels.Job
	maxRows int

	rows  []Row  // of the step
	tiles []tile // of rows
	layer int    // the current one
	tasks tasks
}

// NewRunner makes a runner for steps of at most maxRows rows.
func NewRunner(t *Trunk, pool *kernels.Pool, experts Experts, maxRows int) *Runner {
	r := &Runner{Trunk: t, pool: pool, experts: experts, maxRows: maxRows, ws: newWorkspace(t.cfg, maxRows, pool.Workers())}
	r.bind()
	return r
}

// Pool is the runner's workers, free between steps.
func (r *Runner) Pool() *kernels.Pool { return r.pool }

// MaxRows is the largest step.
func (r *Runner) MaxRows() int { return r.maxRows }

// Step runs all layers over rows, appends their keys and values to their caches
// and returns the hidden rows after the final norm [rows, H], valid until the next
// step. After an error the caches hold nothing of this step that a repetition
// would not overwrite with the same values.
func (r *Runner) Step(ctx context.Context, rows []Row, tr Tracer) ([]float32, error) {
	h := r.cfg.HiddenSize
	x := r.ws.x[:len(rows)*h]
	r.cut(rows)
	for i, row := range rows {
		r.embedRow(x[i*h:(i+1)*h], row.Token)
		if tr != nil {
			tr.Embedding(i, x[i*h:(i+1)*h])
		}
	}
	for l := range r.layers {
		r.layer = l
		r.attention(l, x, rows)
		if err := r.mixture(ctx, l, x, len(rows), tr); err != nil {
			return nil, err
		}
	}
	out := r.ws.h[:len(rows)*h]
	r.normRows(out, x, r.norm)
	for i := range rows {
		if tr != nil {
			tr.Final(i, out[i*h:(i+1)*h])
		}
	}
	return out, nil
}

// Logits computes dst [rows, V] from hidden rows [rows, H] (already normed).
func (r *Runner) Logits(dst, hidden []float32, rows int) {
	r.product(dst, hidden, rows, r.head)
}

func (r *Runner) embedRow(dst []float32, token int32) {
	n := r.cfg.HiddenSize * r.embed.DType.Size()
	kernels.Widen(dst, r.embed.DType, r.embed.Data[int(token)*n:(int(token)+1)*n])
}

// normRows is RMSNorm (Zhang and Sennrich 2019) over rows of len(w).
func (r *Runner) normRows(dst, x, w []float32) {
	n := len(w)
	for i := 0; i < len(x); i += n {
		kernels.RMSNorm(dst[i:i+n], x[i:i+n], w, r.cfg.RMSNormEps)
	}
}

// mixture adds the mixture-of-experts block to x.
func (r *Runner) mixture(ctx context.Context, l int, x []float32, rows int, tr Tracer) error {
	c, ws, ly := r.cfg, r.ws, &r.layers[l]
	hidden := ws.h[:len(x)]
	r.normRows(hidden, x, ly.postNorm)
	r.product(ws.probs[:rows*c.NumExperts], hidden, rows, ly.gate)
	k, e := c.NumExpertsPerTok, c.NumExperts
	for i := range rows {
		ids, weights := ws.ids[i*k:(i+1)*k], ws.weights[i*k:(i+1)*k]
		ws.gaps[i] = gate(ws.probs[i*e:(i+1)*e], ids, weights, c.NormTopKProb)
		if tr != nil {
			tr.Gate(l, i, ids, weights, ws.gaps[i])
		}
	}
	out := ws.out[:rows*k*c.HiddenSize]
	if err := r.experts.Do(ctx, l, hidden, rows, ws.ids[:rows*k], out); err != nil {
		return err
	}
	r.run(rows, (*Runner).combine)
	for i := range rows {
		if tr != nil {
			tr.Layer(l, i, x[i*c.HiddenSize:(i+1)*c.HiddenSize])
		}
	}
	return nil
}

// combine adds one row's weighted expert outputs to the residual stream. The sum
// runs in the gate's order, which placement cannot change (invariant 1).
func (r *Runner) combine(row int) {
	h, k := r.cfg.HiddenSize, r.cfg.NumExpertsPerTok
	out := r.ws.out[row*k*h : (row+1)*k*h]
	sum := out[:h]
	kernels.Scale(sum, r.ws.weights[row*k])
	for j := 1; j < k; j++ {
		kernels.Axpy(sum, out[j*h:(j+1)*h], r.ws.weights[row*k+j])
	}
	kernels.Add(r.ws.x[row*h:(row+1)*h], sum)
}
