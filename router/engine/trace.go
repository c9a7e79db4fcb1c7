package engine

import "github.com/olmoe-serving/olmoe-operator/internal/model"

// Tracer sees a sequence's intermediate values by position. Slices are valid
// during the call only; after a preemption positions come again, equal to the bit.
type Tracer interface {
	Embedding(pos int, x []float32)
	Gate(layer, pos int, ids []int32, weights []float32, gap float32)
	Layer(layer, pos int, x []float32)
	Final(pos int, x []float32)
	Logits(pos int, logits []float32)
}

// rowTracer hands a step's rows to the tracers of their sequences.
type rowTracer struct{ owners []rowOwner }

// tracer is nil, and costs nothing, when no sequence is traced.
func (st *stepState) tracer() model.Tracer {
	for _, o := range st.owners {
		if o.seq.trace != nil {
			return rowTracer{st.owners}
		}
	}
	return nil
}

func (t rowTracer) to(row int, f func(tr Tracer, pos int)) {
	if o := t.owners[row]; o.seq.trace != nil {
		f(o.seq.trace, o.pos)
	}
}

func (t rowTracer) Embedding(row int, x []float32) {
	t.to(row, func(tr Tracer, pos int) { tr.Embedding(pos, x) })
}

func (t rowTracer) Gate(l, row int, ids []int32, w []float32, gap float32) {
	t.to(row, func(tr Tracer, pos int) { tr.Gate(l, pos, ids, w, gap) })
}

func (t rowTracer) Layer(l, row int, x []float32) {
	t.to(row, func(tr Tracer, pos int) { tr.Layer(l, pos, x) })
}

func (t rowTracer) Final(row int, x []float32) {
	t.to(row, func(tr Tracer, pos int) { tr.Final(pos, x) })
}
