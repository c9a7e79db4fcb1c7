package placement

import "fmt"

// Request is what a plan is made from.
type Request struct {
	// Layers of the model, and Experts in each.
	Layers, Experts int
	// Nodes that shall hold experts, in order; only names and addresses are read.
	Nodes []Node
	// Replicas is on how many nodes each expert is, at least.
	Replicas int
	// SlotsPerNode limits the experts of a layer on a node; 0 is no limit.
	SlotsPerNode int
	// Slots is the room for experts of a layer on all nodes together, where it
	// does not divide evenly (the first nodes then have one more). 0 is
	// SlotsPerNode on each.
	Slots int
	// Loads[l][e] are tokens per expert; nil plans for equal loads.
	Loads [][]float64
	// Current is the placement in force, nil if none. What is in the right place
	// stays there.
	Current *Placement
	// Epoch of the new placement.
	Epoch int64
}

// SlotError says that the nodes have no room for all experts.
type SlotError struct {
	Experts, Replicas, Nodes, SlotsPerNode int
}

func (e *SlotError) Error() string {
	need := e.Experts * e.Replicas
	return fmt.Sprintf("%d experts a layer x %d replicas need %d slots, %d nodes x %d slots have %d: "+
		"set slotsPerNode to at least %d, or the number of nodes to at least %d",
		e.Experts, e.Replicas, need, e.Nodes, e.SlotsPerNode, e.Nodes*e.SlotsPerNode,
		ceilDiv(need, e.Nodes), max(e.Replicas, ceilDiv(need, e.SlotsPerNode)))
}

// check refuses what no placement can meet.
func (r *Request) check() error {
	switch n := len(r.Nodes); {
	case r.Layers < 1 || r.Experts < 1:
		return fmt.Errorf("a model of %d layers with %d experts cannot be placed: both must be at least 1", r.Layers, r.Experts)
	case n < 1:
		return fmt.Errorf("there is no node to place %d experts on", r.Experts)
	case r.Replicas < 1 || r.Replicas > n:
		return fmt.Errorf("%d replicas of an expert on %d nodes: replicas must be between 1 and the number of nodes", r.Replicas, n)
	case r.SlotsPerNode < 0 || r.Slots < 0:
		return fmt.Errorf("slotsPerNode %d or slots %d is negative", r.SlotsPerNode, r.Slots)
	case r.SlotsPerNode > 0 && n*r.SlotsPerNode < r.Experts*r.Replicas:
		return &SlotError{r.Experts, r.Replicas, n, r.SlotsPerNode}
	case r.Slots > 0 && r.Slots < r.Experts*r.Replicas:
		return fmt.Errorf("%d experts x %d replicas do not fit into %d slots: at least %d are needed",
			r.Experts, r.Replicas, r.Slots, r.Experts*r.Replicas)
	case r.Loads != nil && len(r.Loads) != r.Layers:
		return fmt.Errorf("loads for %d layers, the model has %d", len(r.Loads), r.Layers)
	}
	return checkLoads(r.Loads, r.Experts)
}

func checkLoads(loads [][]float64, experts int) error {
	for l, row := range loads {
		if len(row) != experts {
			return fmt.Errorf("loads of layer %d are for %d experts, the model has %d", l, len(row), experts)
		}
		for e, w := range row {
			if !(w >= 0 && w <= maxLoad) {
				return fmt.Errorf("load %v of layer %d, expert %d is not between 0 and %g", w, l, e, float64(maxLoad))
			}
		}
	}
	return nil
}

// maxLoad keeps sums of loads finite and exact enough: 2^53 tokens is more than
// any window can count.
const maxLoad = 1 << 53

func ceilDiv(a, b int) int { return (a + b - 1) / b }
