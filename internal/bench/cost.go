// Package bench measures a running deployment through its HTTP API and holds the
// result against what the machine allows.
package bench

import (
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// Limits are what this machine can do, measured in the same run.
type Limits struct {
	Read float64 `json:"read_bytes_per_second"`
	Int8 float64 `json:"int8_ops_per_second"`
	F32  float64 `json:"f32_flops_per_second"`
}

// Measure takes about a second.
func Measure(pool *kernels.Pool) Limits {
	return Limits{Read: kernels.ReadBandwidth(pool), Int8: kernels.Int8Peak(pool), F32: kernels.F32Peak(pool)}
}

// cost is what one step of the model must read and compute, at the least: every
// matrix once, and two operations for each weight and row. Attention is left out:
// at the lengths measured here it is below a hundredth.
type cost struct {
	trunkBytes, headBytes, expertBytes float64 // expert: of one expert of one layer
	trunkFlops, headFlops, expertFlops float64 // for one row; expert: all K of all layers
	int8                               bool    // computed with 8-bit integers; the gate's few are counted so too
}

func costOf(ck *checkpoint.Checkpoint) (cost, error) {
	c := cost{int8: ck.Weights() == checkpoint.Int8}
	cfg := ck.Config()
	for _, spec := range cfg.Tensors() {
		t, err := ck.Tensor(spec.Name)
		if err != nil {
			return c, err
		}
		bytes, flops := float64(model.MatrixBytes(ck, t)), 2*float64(t.Elements())
		switch {
		case spec.Name == cfg.OutputTensor():
			c.headBytes, c.headFlops = bytes, flops
		case spec.Name == checkpoint.EmbedTokens || len(t.Shape) == 1:
			// a row of the embedding; norms
		case checkpoint.IsExpertTensor(spec.Name):
			c.expertBytes += bytes / float64(cfg.NumLayers*cfg.NumExperts)
			c.expertFlops += flops * float64(cfg.NumExpertsPerTok) / float64(cfg.NumExperts)
		default:
			c.trunkBytes += bytes
			c.trunkFlops += flops
		}
	}
	return c, nil
}

// seconds is the least time of work that reads so many bytes and computes so much.
func (c cost) seconds(l Limits, bytes, flops float64) float64 {
	peak := l.F32
	if c.int8 {
		peak = l.Int8
	}
	return max(bytes/l.Read, flops/peak)
}

// step is the least time of a step of rows of which logitRows need logits, with so
// many experts active over all layers.
func (c cost) step(l Limits, rows, logitRows, activeExperts float64) float64 {
	return c.seconds(l, c.trunkBytes+c.headBytes+activeExperts*c.expertBytes,
		rows*(c.trunkFlops+c.expertFlops)+logitRows*c.headFlops)
}
