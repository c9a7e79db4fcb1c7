package rollout

import "github.com/olmoe-serving/olmoe-operator/internal/placement/planner"

// Spread is what a round does for experts that have two copies on one machine.
type Spread struct {
	// Before and After count these experts in all layers, now and with the moves.
	Before, After int
	// Moves is how many experts nodes load for it.
	Moves int
}

// spread moves copies that share a machine to others, in a placement that is otherwise as
// requested, as far as the budget goes; false if that is not to be done now, or nothing
// helps. It comes before what loads ask for, and needs none.
func (s *State) spread(r planner.Request) (Decision, bool) {
	serving := s.Doc.Serving
	before := r.Crowded(serving)
	if before == 0 || s.SpreadMoves == 0 {
		return Decision{}, false
	}
	if r.Loads == nil { // without any load nothing moves for balance's sake, not even what costs nothing
		r.Loads = make([][]float64, r.Layers)
		for l := range r.Loads {
			r.Loads[l] = make([]float64, r.Experts)
		}
	}
	r.Current, r.MinGain, r.MaxMoves = serving, noGain, s.SpreadMoves
	next, err := target(r, serving)
	if err != nil {
		return Decision{}, false
	}
	found := &Spread{Before: before, After: r.Crowded(next), Moves: moves(serving, next)}
	if found.After >= before {
		return Decision{}, false
	}
	d := s.toward(s.Doc.Model, serving, next)
	d.Spread = found
	return d, true
}
