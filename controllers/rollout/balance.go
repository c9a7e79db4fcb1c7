package rollout

import (
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// Rebalance are the limits of moves that only loads ask for.
type Rebalance struct {
	// Moves is how many experts nodes may load in a minute.
	Moves int
	// Spent: the last of them is not a minute ago, and nothing moves now.
	Spent bool
	// MinGain is the fraction by which the load of the busiest nodes, added up over
	// the layers, must fall.
	MinGain float64
}

// Balance is what a round found about the loads.
type Balance struct {
	// Gain is the fraction by which the load of the busiest nodes, added up over
	// the layers, falls with all moves that pay, however many minutes they take: a step
	// visits the layers one after another and waits for the busiest node of each.
	Gain float64
	// Worth says that the gain reaches MinGain and that a minute's moves lead there.
	Worth bool
	// Moves is how many experts nodes load in the next minute that they may.
	Moves int
	// TooSmall: the gain would be worth it, but the least that leads there is more than a
	// minute's moves.
	TooSmall bool
	// Err: no placement can be made from the loads.
	Err error
}

// gainPerMove is the least by which one expert load must lower its layer's busiest
// node, as a fraction of the mean node's load: what brings less is noise.
const gainPerMove = 0.002

// rebalance moves experts of a placement that is otherwise as requested, if the
// loads make it worth while and the budget allows it.
func (s *State) rebalance(r planner.Request) Decision {
	stay := Decision{Doc: s.Doc}
	if s.Rebalance == nil || r.Loads == nil {
		return stay
	}
	serving := s.Doc.Serving
	r.Current = serving
	next, b := s.Rebalance.plan(r)
	stay.Balance = b
	if !b.Worth || s.Rebalance.Spent {
		return stay
	}
	if err := publishable(serving, next); err != nil {
		stay.Balance = &Balance{Err: err}
		return stay
	}
	d := s.toward(s.Doc.Model, serving, next)
	d.Balance = b
	return d
}

// plan makes the next minute's moves from the placement in force, r.Current; it is that
// itself if none are worth it. Each move pays for its bytes. Whether they are worth it is
// asked of the whole way, of which they are the first part: asked of that part, a small
// budget would end the balancing long before moves are noise.
func (l *Rebalance) plan(r planner.Request) (*placement.Placement, *Balance) {
	r.MinGain, r.MaxMoves = gainPerMove, 0
	next, err := planner.Plan(r)
	if err != nil {
		return r.Current, &Balance{Err: err}
	}
	b := &Balance{Gain: gain(r.Current, next, r.Loads)}
	if b.Gain < l.MinGain {
		return r.Current, b
	}
	if b.Moves = moves(r.Current, next); b.Moves > l.Moves && l.Moves > 0 {
		r.MaxMoves = l.Moves
		if next, err = planner.Plan(r); err != nil {
			return r.Current, &Balance{Err: err}
		}
		b.Moves = moves(r.Current, next)
	}
	if b.Moves > l.Moves || next.Same(r.Current) {
		b.Moves, b.TooSmall = 0, true
		return r.Current, b
	}
	b.Worth = true
	return next, b
}

// moves is how many experts nodes load to get from one placement to the other.
func moves(from, to *placement.Placement) int { return len(placement.Diff(from, to, 0)) }

// loads are State's, if they are the model's.
func (s *State) loads(m *Model) [][]float64 {
	if len(s.Loads) != m.Layers || len(s.Loads) == 0 || len(s.Loads[0]) != m.Experts {
		return nil
	}
	return s.Loads
}

// gain is 1 - (sum of the layers' busiest loads after) / (the same before).
func gain(from, to *placement.Placement, loads [][]float64) float64 {
	before, after := load.Total(from.BusiestLoads(loads)), load.Total(to.BusiestLoads(loads))
	if before == 0 {
		return 0
	}
	return 1 - after/before
}
