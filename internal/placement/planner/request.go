package planner

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Request is what a plan is made from.
type Request struct {
	// Layers of the model, and Experts in each.
	Layers, Experts int
	// Nodes that shall hold experts, in order; only names and addresses are read.
	Nodes []placement.Node
	// Domains says, by name, which nodes are lost together: the machine of each. A node
	// without one, or with "", is in a domain of its own. Each expert is in at least
	// min(Replicas, domains) of them where there is room for that.
	Domains map[string]string
	// Replicas is on how many nodes each expert is, at least.
	Replicas int
	// SlotsPerNode limits the experts of a layer on a node; 0 is no limit.
	SlotsPerNode int
	// Slots is the room for experts of a layer on all nodes together, where it
	// does not divide evenly (the first nodes then have one more). 0 is
	// SlotsPerNode on each.
	Slots int
	// Loads[l][e] are what each expert costs in a window, all its copies together:
	// tokens where arithmetic takes the time, batches in which it had any where
	// reading weights does, or a sum of both (load.Work). nil plans for equal loads.
	//
	// A load divides evenly over the copies. That is exact for tokens where the router
	// evens them out. It is for batches because the router keeps the rows that an
	// expert has in one together: one copy reads its weights, the others do not.
	Loads [][]float64
	// Current is the placement in force, nil if none. What is in the right place
	// stays there.
	Current *placement.Placement
	// MinGain is what each expert that a node has to load must gain, so that nothing
	// moves to and fro for little: the changes of a layer lower the load of its
	// busiest node by at least MinGain * the mean node load for each of them. 0: any
	// gain. Only plans with loads and a Current heed it, and only for changes that
	// need not be: experts without enough copies are placed, nodes that hold more than
	// they have room for relieved, and copies that share a domain parted.
	MinGain float64
	// MaxMoves limits, under the same terms, how many experts nodes have to load, in
	// all layers together: those whose copies share a domain, then those that gain most
	// each. 0: no limit.
	MaxMoves int
	// Cover: from Current only what must not wait changes: experts that none of Nodes holds
	// get one owner each, whatever Replicas says, and nodes that hold more than a limit of
	// slots allows are relieved. Nothing else is loaded, so that it is soon done.
	Cover bool
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

// Check refuses what no placement can meet: Plan makes one of what it lets pass.
func (r *Request) Check() error {
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
	}
	return r.checkLoads()
}

// checkLoads refuses what no window can have counted, and no spec can ask for.
func (r *Request) checkLoads() error {
	if !(r.MinGain >= 0 && r.MinGain <= maxLoad) || r.MaxMoves < 0 {
		return fmt.Errorf("minGain %v or maxMoves %d is negative or not a number", r.MinGain, r.MaxMoves)
	}
	if r.Loads != nil && len(r.Loads) != r.Layers {
		return fmt.Errorf("loads for %d layers, the model has %d", len(r.Loads), r.Layers)
	}
	for l, row := range r.Loads {
		if len(row) != r.Experts {
			return fmt.Errorf("loads of layer %d are for %d experts, the model has %d", l, len(row), r.Experts)
		}
		if err := CheckLoads(row); err != nil {
			return fmt.Errorf("loads of layer %d: %w", l, err)
		}
	}
	return nil
}

// CheckLoads refuses loads of a layer that no window can have counted.
func CheckLoads(layer []float64) error {
	for e, w := range layer {
		if !(w >= 0 && w <= maxLoad) {
			return fmt.Errorf("expert %d: %v is not between 0 and %g", e, w, float64(maxLoad))
		}
	}
	return nil
}

// maxLoad keeps sums of loads finite and exact enough: 2^53 tokens is more than
// any window can count.
const maxLoad = 1 << 53

// leastLoad is the least that counts: what is divided over all slots of the largest pool
// is then far above what a float64 can hold at all.
const leastLoad = 1e-300

// counted puts the loads of a layer that count into to, 0 for others: those next to 0, and
// -0, whose bits are not those of 0.
func counted(to, loads []float64) {
	for e, w := range loads {
		if to[e] = w; w < leastLoad {
			to[e] = 0
		}
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
