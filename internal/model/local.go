package model

import (
	"context"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/mem"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Local is Experts in this process: all experts, no network. It is what a split
// deployment is compared with, for equal bits and for the cost of being split.
// It serves one caller at a time.
type Local struct {
	cfg     *checkpoint.Config
	experts [][]*Expert // [layer][expert]
	runner  *ExpertRunner
	rows    [][]int32 // by expert: row*K + k of each of its pairs
	x, y    []float32 // gathered rows and their outputs, grouped by expert
	groups  []ExpertGroup
}

// OpenLocal reads every expert of the checkpoint.
func OpenLocal(ctx context.Context, ck *checkpoint.Checkpoint, pool *kernels.Pool) (*Local, error) {
	cfg := ck.Config()
	l := &Local{cfg: cfg, runner: NewExpertRunner(cfg, pool), rows: make([][]int32, cfg.NumExperts)}
	for i := range cfg.NumLayers {
		layer := make([]*Expert, cfg.NumExperts)
		for e := range layer {
			expert, tensors, err := OpenExpert(ck, i, e)
			if err != nil {
				return nil, err
			}
			if ck.Weights() == checkpoint.Int8 {
				expert, err = openInt8(ctx, ck, pool, expert, tensors)
			} else {
				err = ck.Load(ctx, tensors...)
			}
			if err != nil {
				return nil, err
			}
			layer[e] = expert
		}
		l.experts = append(l.experts, layer)
	}
	return l, nil
}

// openInt8 reads an expert and makes its 8-bit form, in memory as expert nodes use. It is
// not freed, after an error neither: who opens a Local needs it until the process ends.
func openInt8(ctx context.Context, ck *checkpoint.Checkpoint, pool *kernels.Pool, e *Expert, tensors []tensor.Tensor) (*Expert, error) {
	if err := ck.Read(ctx, tensors...); err != nil {
		return nil, err
	}
	memory, err := mem.Allocate(e.Int8Bytes())
	if err != nil {
		return nil, err
	}
	q, finite := e.Quantise(pool, memory, func() {})
	if !finite {
		return nil, ck.NotFinite(ctx, tensors...)
	}
	ck.Release(tensors...)
	return q, nil
}

// Do implements Experts.
func (l *Local) Do(_ context.Context, layer int, x []float32, rows int, ids []int32, out []float32) error {
	h, k := l.cfg.HiddenSize, l.cfg.NumExpertsPerTok
	for e := range l.rows {
		l.rows[e] = l.rows[e][:0]
	}
	for p := range rows * k {
		l.rows[ids[p]] = append(l.rows[ids[p]], int32(p))
	}
	if need := rows * k * h; len(l.x) < need {
		l.x, l.y = make([]float32, need), make([]float32, need)
	}
	l.groups = l.groups[:0]
	at := 0
	for e, pairs := range l.rows {
		if len(pairs) == 0 {
			continue
		}
		start := at
		for _, p := range pairs {
			copy(l.x[at:at+h], x[int(p)/k*h:])
			at += h
		}
		l.groups = append(l.groups, ExpertGroup{Expert: l.experts[layer][e], X: l.x[start:at], Out: l.y[start:at], Rows: len(pairs)})
	}
	l.runner.Run(l.groups)
	at = 0
	for _, pairs := range l.rows {
		for _, p := range pairs {
			copy(out[int(p)*h:(int(p)+1)*h], l.y[at:at+h])
			at += h
		}
	}
	return nil
}
