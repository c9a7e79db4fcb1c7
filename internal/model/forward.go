package model

import (
	"context"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// Experts computes rows' experts somewhere else: x [rows,H], ids [rows,K];
// out [rows,K,H] receives each expert's output, not weighted, rounded to OutputsAs.
// An error means that out is not complete; nothing partial is ever used (invariant 2).
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
	split   int // rows from which a step runs as two parts; 0 = none does

	rows   []Row // of the step
	tracer Tracer
	parts  [2]part // of rows
	now    *part   // the one that is computed
	layer  int     // its layer
	tasks  tasks
}

// NewRunner makes a runner for steps of at most maxRows rows.
func NewRunner(t *Trunk, pool *kernels.Pool, experts Experts, maxRows int) *Runner {
	r := &Runner{Trunk: t, pool: pool, experts: experts, maxRows: maxRows, ws: newWorkspace(t.cfg, maxRows, pool.Workers())}
	r.bind()
	return r
}

// Pool is the runner's workers, free between steps.
func (r *Runner) Pool() *kernels.Pool { return r.pool }

// Step runs all layers over rows, appends their keys and values to their caches
// and returns the hidden rows after the final norm [rows, H], valid until the next
// step. After an error the caches hold nothing of this step that a repetition
// would not overwrite with the same values.
func (r *Runner) Step(ctx context.Context, rows []Row, tr Tracer) ([]float32, error) {
	h := r.cfg.HiddenSize
	x, out := r.ws.x[:len(rows)*h], r.ws.h[:len(rows)*h]
	r.rows, r.tracer = rows, tr
	for i, row := range rows {
		r.embedRow(x[i*h:(i+1)*h], row.Token)
		if tr != nil {
			tr.Embedding(i, x[i*h:(i+1)*h])
		}
	}
	if err := r.runLayers(ctx, r.cut(rows)); err != nil {
		return nil, err
	}
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

// choose finds each row's experts in layer l.
func (r *Runner) choose(p *part, l int) {
	c, ws, ly := r.cfg, r.ws, &r.layers[l]
	hidden, probs := p.of(ws.h, c.HiddenSize), p.of(ws.probs, c.NumExperts)
	r.normRows(hidden, p.of(ws.x, c.HiddenSize), ly.postNorm)
	r.product(probs, hidden, p.rows, ly.gate)
	k, e := c.NumExpertsPerTok, c.NumExperts
	for i := p.first; i < p.first+p.rows; i++ {
		ids, weights := ws.ids[i*k:(i+1)*k], ws.weights[i*k:(i+1)*k]
		gap := gate(ws.probs[i*e:(i+1)*e], ids, weights, c.NormTopKProb)
		if r.tracer != nil {
			r.tracer.Gate(l, i, ids, weights, gap)
		}
	}
}

// add adds what the experts of layer l made of a part to its residual stream.
func (r *Runner) add(p *part, l int) {
	r.run(p, (*Runner).combine)
	h := r.cfg.HiddenSize
	for i := p.first; i < p.first+p.rows; i++ {
		if r.tracer != nil {
			r.tracer.Layer(l, i, r.ws.x[i*h:(i+1)*h])
		}
	}
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
