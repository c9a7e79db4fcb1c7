package model

import (
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// MatrixBytes is what a product with a tensor reads: its form in memory.
func MatrixBytes(ck *checkpoint.Checkpoint, t tensor.Tensor) int {
	if ck.Quantised(t.Name) {
		return kernels.Int8Bytes(t.Shape[0], t.Shape[1])
	}
	return len(t.Data)
}

// quantise replaces the trunk's large matrices by their 8-bit form if the
// checkpoint was opened so, and gives back the memory of what was read.
func (t *Trunk) quantise(ck *checkpoint.Checkpoint) {
	if ck.Weights() != checkpoint.Int8 {
		return
	}
	pool := kernels.NewPool(kernels.Threads(0)) // nothing else runs yet
	defer pool.Close()
	replace := func(name string, w *kernels.Weight) {
		if !ck.Quantised(name) {
			return
		}
		*w = kernels.Quantise(pool, *w, make([]byte, kernels.Int8Bytes(w.Out, w.In)))
		if stored, err := ck.Tensor(name); err == nil && name != checkpoint.EmbedTokens {
			ck.Release(stored)
		}
	}
	replace(t.cfg.OutputTensor(), &t.head)
	for i := range t.layers {
		l := &t.layers[i]
		for part, w := range map[string]*kernels.Weight{
			checkpoint.QProj: &l.q, checkpoint.KProj: &l.k, checkpoint.VProj: &l.v, checkpoint.OProj: &l.o,
		} {
			replace(checkpoint.LayerTensor(i, part), w)
		}
	}
}
