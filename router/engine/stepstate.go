package engine

import (
	"context"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// stepState is what one step is made of and what comes of it. Its memory is made once, and
// empty between steps: a step allocates nothing.
type stepState struct {
	rows     []model.Row
	owners   []rowOwner      // of rows
	prefills []*sequence     // that may have rows in it
	ctx      context.Context // ends when no client is left
	hidden   []float32       // what the model made of rows, [rows, H]
	err      error           // or why it made nothing

	batch    []rowOwner // rows whose logits are computed together
	gathered []float32  // these rows of hidden, [logitRows, H]
	logits   []float32  // [logitRows, V]
	outcomes []outcome  // what each gave: written by the pool's workers, a row each

	// The engine's methods of these names: to bind one anew would be an allocation.
	forward, sample func()
	useRow          func(i int)
}

// rowOwner says whose row of the step it is.
type rowOwner struct {
	seq *sequence
	pos int
}

func newStepState(hidden, vocab int) stepState {
	return stepState{
		batch:    make([]rowOwner, 0, logitRows),
		gathered: make([]float32, logitRows*hidden),
		logits:   make([]float32, logitRows*vocab),
		outcomes: make([]outcome, logitRows),
	}
}

// add gives the step the next n rows of s.
func (st *stepState) add(s *sequence, n int) {
	for p := s.computed; p < s.computed+n; p++ {
		st.rows = append(st.rows, model.Row{Token: s.tokens[p], Pos: p, KV: &s.kv})
		st.owners = append(st.owners, rowOwner{s, p})
	}
}

// forget empties the step: an engine at rest holds on to no sequence that has ended.
func (st *stepState) forget() {
	clear(st.rows)
	clear(st.owners)
	clear(st.prefills)
	st.rows, st.owners, st.prefills = st.rows[:0], st.owners[:0], st.prefills[:0]
}
