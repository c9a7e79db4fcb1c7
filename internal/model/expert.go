package model

import (
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Expert is one feed-forward expert of one layer:
// down( silu(gate h) * (up h) ), with gate and up [I,H] and down [H,I].
type Expert struct{ Gate, Up, Down kernels.Weight }

// OpenExpert returns views of an expert's weights and the tensors behind them,
// for the caller to Load before use and Release after.
func OpenExpert(ck *checkpoint.Checkpoint, layer, index int) (*Expert, []tensor.Tensor, error) {
	var e Expert
	var ts []tensor.Tensor
	gate, up, down := checkpoint.ExpertTensorNames(layer, index)
	for _, p := range []struct {
		name string
		to   *kernels.Weight
	}{{gate, &e.Gate}, {up, &e.Up}, {down, &e.Down}} {
		t, err := ck.Tensor(p.name)
		if err != nil {
			return nil, nil, err
		}
		if *p.to, err = kernels.NewWeight(t); err != nil {
			return nil, nil, err
		}
		ts = append(ts, t)
	}
	return &e, ts, nil
}

// OutputsAs is what experts' outputs are rounded to before they are added up: bf16
// beside 8-bit weights, whose error hides it, so that half as many bytes travel
// (ADR 0168). Who adds them up has float32.
func OutputsAs(w checkpoint.Weights) tensor.DType {
	if w == checkpoint.Int8 {
		return tensor.BF16
	}
	return tensor.F32
}

// ExpertGroup is the rows that one expert computes in one call:
// X and Out are [Rows, H]; Out is overwritten.
type ExpertGroup struct {
	Expert *Expert
	X, Out []float32
	Packed []byte // X as kernels.Pack writes it, for 8-bit experts; nil = there is X
	Rows   int
}

// ExpertRunner computes groups of rows. It owns scratch memory, so one runner
// serves one caller at a time.
type ExpertRunner struct {
	hidden, inner int
	pool          *kernels.Pool
	gate, up      []float32 // [sum of rows, I]
	jobs          []kernels.Job
	groups        []ExpertGroup
	starts        []int       // starts[g] is group g's first row in gate and up
	bound         func(g int) // activate, bound once: Run allocates nothing
}

// NewExpertRunner makes a runner for the checkpoint's sizes.
func NewExpertRunner(cfg *checkpoint.Config, pool *kernels.Pool) *ExpertRunner {
	r := &ExpertRunner{hidden: cfg.HiddenSize, inner: cfg.IntermediateSize, pool: pool}
	r.bound = r.activate
	return r
}

// Run computes every group. Two rounds over the pool (gate and up, then down)
// keep all cores busy even when each expert has a single row.
func (r *ExpertRunner) Run(groups []ExpertGroup) {
	r.plan(groups)
	r.jobs = r.jobs[:0]
	for g, grp := range groups {
		in := r.starts[g] * r.inner
		job := kernels.Job{DstStride: r.inner, X: grp.X, XStride: r.hidden, Packed: grp.Packed, Rows: grp.Rows}
		gate, up := job, job
		gate.Dst, gate.W = r.gate[in:], grp.Expert.Gate
		up.Dst, up.W = r.up[in:], grp.Expert.Up
		r.jobs = append(r.jobs, gate, up)
	}
	kernels.MatMulMany(r.pool, r.jobs)

	r.pool.Run(len(groups), r.bound)

	r.jobs = r.jobs[:0]
	for g, grp := range groups {
		in := r.starts[g] * r.inner
		r.jobs = append(r.jobs, kernels.Job{Dst: grp.Out, DstStride: r.hidden, X: r.gate[in:], XStride: r.inner, Rows: grp.Rows, W: grp.Expert.Down})
	}
	kernels.MatMulMany(r.pool, r.jobs)
	r.groups = nil
}

func (r *ExpertRunner) plan(groups []ExpertGroup) {
	r.groups, r.starts = groups, r.starts[:0]
	rows := 0
	for _, g := range groups {
		r.starts = append(r.starts, rows)
		rows += g.Rows
	}
	if need := rows * r.inner; len(r.gate) < need {
		r.gate, r.up = make([]float32, need), make([]float32, need)
	}
}

// activate turns gate into silu(gate)*up for one group, in place.
func (r *ExpertRunner) activate(g int) {
	from := r.starts[g] * r.inner
	to := from + r.groups[g].Rows*r.inner
	kernels.SiLUMul(r.gate[from:to], r.gate[from:to], r.up[from:to])
}
