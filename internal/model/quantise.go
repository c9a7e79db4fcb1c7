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

// Int8Bytes is the size of an expert in 8-bit form.
func (e *Expert) Int8Bytes() (n int) {
	for _, w := range []kernels.Weight{e.Gate, e.Up, e.Down} {
		n += kernels.Int8Bytes(w.Out, w.In)
	}
	return n
}

// Int8View is the expert whose 8-bit form is, or will be, in memory of Int8Bytes
// bytes.
func (e *Expert) Int8View(memory []byte) *Expert {
	var q Expert
	q.Gate, memory = int8View(e.Gate, memory)
	q.Up, memory = int8View(e.Up, memory)
	q.Down, _ = int8View(e.Down, memory)
	return &q
}

// int8View is a matrix's 8-bit form at the beginning of memory; rest is behind it.
func int8View(w kernels.Weight, memory []byte) (q kernels.Weight, rest []byte) {
	n := kernels.Int8Bytes(w.Out, w.In)
	return kernels.Weight{Out: w.Out, In: w.In, DType: w.DType, Int8: true, Data: memory[:n:n]}, memory[n:]
}

// Quantise makes the expert's 8-bit form in memory of Int8Bytes bytes and tells
// whether its weights are finite. rest is called after each matrix: a process that
// serves meanwhile lets others work.
func (e *Expert) Quantise(pool *kernels.Pool, memory []byte, rest func()) (q *Expert, finite bool) {
	q, finite = e.Int8View(memory), true
	for _, p := range [][2]kernels.Weight{{e.Gate, q.Gate}, {e.Up, q.Up}, {e.Down, q.Down}} {
		if _, ok := kernels.Quantise(pool, p[0], p[1].Data); !ok {
			finite = false
		}
		rest()
	}
	return q, finite
}
