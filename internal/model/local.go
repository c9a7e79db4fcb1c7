package model

import (
	"context"
	"slices"

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
	once    []byte    // packed rows, before they are gathered
	packed  []byte    // x where rows are packed
	groups  []ExpertGroup
	stored  tensor.DType // what outputs are rounded to,
	rounded []byte       // and one of them
}

// OpenLocal reads every expert of the checkpoint.
func OpenLocal(ctx context.Context, ck *checkpoint.Checkpoint, pool *kernels.Pool) (*Local, error) {
	cfg := ck.Config()
	stored := OutputsAs(ck.Weights())
	l := &Local{cfg: cfg, runner: NewExpertRunner(cfg, pool), rows: make([][]int32, cfg.NumExperts),
		stored: stored, rounded: make([]byte, stored.Size()*cfg.HiddenSize)}
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
	l.y = slices.Grow(l.y[:0], rows*k*h)[:rows*k*h]
	l.gather(layer, x, rows)
	l.runner.Run(l.groups)
	at := 0
	for _, pairs := range l.rows {
		for _, p := range pairs {
			l.deliver(out[int(p)*h:(int(p)+1)*h], l.y[at:at+h])
			at += h
		}
	}
	return nil
}

// gather makes the groups: of rows as they are, or packed once for all of their experts.
func (l *Local) gather(layer int, x []float32, rows int) {
	h, k := l.cfg.HiddenSize, l.cfg.NumExpertsPerTok
	if l.stored == tensor.F32 {
		l.x = slices.Grow(l.x[:0], rows*k*h)[:rows*k*h]
		spread(l, layer, l.x, x, h, func(x []float32) ExpertGroup { return ExpertGroup{X: x} })
		return
	}
	size := kernels.PackedBytes(h)
	l.once, l.packed = slices.Grow(l.once[:0], rows*size)[:rows*size], slices.Grow(l.packed[:0], rows*k*size)[:rows*k*size]
	for r := range rows {
		kernels.Pack(l.once[r*size:], x[r*h:(r+1)*h])
	}
	spread(l, layer, l.packed, l.once, size, func(x []byte) ExpertGroup { return ExpertGroup{Packed: x} })
}

// spread copies each row of x to every group that needs it, one group after another.
func spread[T any](l *Local, layer int, to, x []T, width int, group func([]T) ExpertGroup) {
	h, k := l.cfg.HiddenSize, l.cfg.NumExpertsPerTok
	l.groups = l.groups[:0]
	at := 0
	for e, pairs := range l.rows {
		if len(pairs) == 0 {
			continue
		}
		g := group(to[at*width : (at+len(pairs))*width])
		g.Expert, g.Out, g.Rows = l.experts[layer][e], l.y[at*h:(at+len(pairs))*h], len(pairs)
		for _, p := range pairs {
			copy(to[at*width:(at+1)*width], x[int(p)/k*width:])
			at++
		}
		l.groups = append(l.groups, g)
	}
}

// deliver gives an output the bits that it would have on its way from another process.
func (l *Local) deliver(out, y []float32) {
	if l.stored == tensor.F32 {
		copy(out, y)
		return
	}
	kernels.Narrow(l.rounded, l.stored, 1, y)
	kernels.Widen(out, l.stored, l.rounded)
}
