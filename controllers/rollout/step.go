package rollout

import (
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// noGain is a gain that no move for balance's sake reaches.
const noGain = 1e9

const (
	// stepGain is gainPerMove of a step that brings nodes: what they do not take over now
	// they may never get, for the balancer moves nothing for less than its own least gain.
	stepGain = 5e-4
	// stepShares times the even share of the nodes that came is what all nodes may load in
	// a step: a share comes to those nodes, and takes swaps among the others.
	stepShares = 3
)

// structural limits a plan that has to come, because nodes came or went, or the spec has
// changed, to what it is for: what has to be loaded, and what fills the nodes that came.
// The rest of the balance is the balancer's, with its budget: more loads would make the
// step longer, and loads that need no step come out of maxBytesPerMinute.
func structural(r planner.Request) planner.Request {
	if r.Current == nil {
		return r
	}
	came, held := 0, 0
	for _, n := range r.Nodes {
		if r.Current.Node(n.Name) == nil {
			came++
		}
	}
	for _, n := range r.Current.Nodes {
		for _, experts := range n.Experts {
			held += len(experts)
		}
	}
	if r.MinGain = noGain; came > 0 {
		r.MinGain, r.MaxMoves = stepGain, stepShares*((held*came+len(r.Nodes)-1)/len(r.Nodes))
	}
	return r
}

// affordable asks for fewer replicas if that is what it takes: with fewer nodes than the
// spec wants, because some are stuck or lost.
func affordable(r planner.Request) planner.Request {
	for r.Replicas > 1 && r.Check() != nil {
		r.Replicas--
	}
	return r
}

// Forecast makes plans of what a pool will have whose placement in force is Current. On
// other nodes that is what the step to them brings. What the balancer makes of it
// afterwards does not count: it need not come, for the gain may be too small or the mode
// Off, and until it comes the nodes have to do without. On the same nodes it is what the
// balancer brings in so many minutes, by its rules and out of its budget.
func Forecast(may Rebalance, minutes int) func(planner.Request) (*placement.Placement, error) {
	if may.Spent {
		minutes--
	}
	return func(r planner.Request) (*placement.Placement, error) {
		if r.Current == nil || len(r.Nodes) != len(r.Current.Nodes) {
			return planner.Plan(structural(r))
		}
		for range minutes {
			next, b := may.plan(r)
			if !b.Worth {
				return r.Current, b.Err
			}
			r.Current = next
		}
		return r.Current, nil
	}
}
