// Package bench measures a running deployment through its HTTP API, the round trip to
// its experts through a dispatcher, and the way to them without computing (MeasureWire),
// and holds the results against what the machine allows.
package bench

import (
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// cost is what one step of the model must read and compute, at the least: every
// matrix once, and two operations for each weight and row. Attention's arithmetic is
// left out; the keys and values that it reads are counted (see kv).
type cost struct {
	trunkBytes, headBytes, expertBytes float64 // expert: of one expert of one layer
	trunkFlops, headFlops, expertFlops float64 // for one row; expert: all K of all layers
	kvBytes                            float64 // keys and values of one position in all layers
	int8                               bool    // computed with 8-bit integers; the gate's few are counted so too
}

func costOf(ck *checkpoint.Checkpoint) (cost, error) {
	cfg := ck.Config()
	kvType, err := model.ParseKV(model.KVAuto, ck.Weights())
	if err != nil {
		return cost{}, err
	}
	c := cost{int8: ck.Weights() == checkpoint.Int8, kvBytes: float64(model.KVBytes(cfg, kvType))}
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

// work is what a step does.
type work struct {
	rows, logitRows float64 // rows computed, and those of which logits are wanted
	experts         float64 // active over all layers, each counted once
	positions       float64 // of the KV cache that are read, over all rows
}

// step is the least time of a step.
func (c cost) step(l Limits, w work) float64 {
	return c.seconds(l, c.trunkBytes+c.headBytes+w.experts*c.expertBytes+w.positions*c.kvBytes,
		w.rows*(c.trunkFlops+c.expertFlops)+w.logitRows*c.headFlops)
}
