package rollout

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Rebalance are the limits of moves that only loads ask for.
type Rebalance struct {
	// Moves is how many experts nodes may load now; 0: none, the budget is spent.
	Moves int
	// MinGain is the fraction by which the load of the busiest nodes, added up over
	// the layers, must fall.
	MinGain float64
}

// Balance is what a round found about the loads.
type Balance struct {
	// Gain is the fraction by which the load of the busiest nodes, added up over
	// the layers, falls with the moves: a step visits the layers one after another
	// and waits for the busiest node of each.
	Gain float64
	// Moves is how many experts nodes load for it.
	Moves int
	// Worth: the gain is at least MinGain.
	Worth bool
	// Err: no placement can be made from the loads.
	Err error
}

// gainPerMove is the least by which one expert load must lower its layer's busiest
// node, as a fraction of the mean node's load: what brings less is noise.
const gainPerMove = 0.002

// rebalance moves experts of a placement that is otherwise as requested, if the
// loads make it worth while and the budget allows it.
func (s *State) rebalance(r placement.Request) Decision {
	stay := Decision{Doc: s.Doc}
	if s.Rebalance == nil || r.Loads == nil {
		return stay
	}
	serving := s.Doc.Serving
	r.Current, r.MinGain, r.MaxMoves = serving, gainPerMove, s.Rebalance.Moves
	target, err := placement.Plan(r)
	if err != nil {
		stay.Balance = &Balance{Err: err}
		return stay
	}
	b := &Balance{Gain: gain(serving, target, r.Loads), Moves: len(placement.Diff(serving, target, 0))}
	b.Worth = b.Gain >= s.Rebalance.MinGain
	stay.Balance = b
	if !b.Worth || b.Moves > s.Rebalance.Moves { // with no budget left the plan has no limit
		return stay
	}
	return Decision{Balance: b, Waiting: fmt.Sprintf("pods to take placement %d", target.Epoch), Doc: &placement.Document{
		Revision: s.revision(), Model: s.Doc.Model, Serving: serving, Target: target,
	}}
}

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
