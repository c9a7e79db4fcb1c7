package rollout

import "github.com/olmoe-serving/olmoe-operator/internal/placement"

// State is all that a decision depends on.
type State struct {
	// Members are the nodes that the spec wants, by ordinal.
	Members []placement.Node
	// Replicas of each expert, SlotsPerNode per layer (0: no limit).
	Replicas, SlotsPerNode int
	// Machines are what the nodes run on, by the node's name; a node whose machine is not
	// known counts as alone on one.
	Machines map[string]string
	// SpreadMoves is how many experts nodes may load in this round so that copies of an
	// expert no longer share a machine; 0: none, they wait.
	SpreadMoves int
	// Loads are what each layer's experts cost in the last window, [layer][expert]; nil
	// if that is not known.
	Loads [][]float64
	// Rebalance: experts may move because of Loads; nil: not now.
	Rebalance *Rebalance
	// Doc is what is published; nil if nothing is.
	Doc *placement.Document
	// Nodes are the expert-node pods by name, also those that are not wanted.
	Nodes map[string]Node
	// Routers are the router pods.
	Routers []Router
}

// Model is what a placement has to know about a checkpoint.
type Model struct {
	Fingerprint     string
	Layers, Experts int
}

// Node is an expert-node pod.
type Node struct {
	Model      *Model // nil: the pod has not reported
	Revision   int64
	ReadyEpoch int64
	// Stuck: the pod cannot start until somebody acts. Nobody waits for it.
	Stuck bool
	// Lost: the pod has been silent for so long that its experts need other owners.
	Lost bool
}

// has says whether the pod has told that it sees the model.
func (n Node) has(fingerprint string) bool {
	return n.Model != nil && n.Model.Fingerprint == fingerprint
}

// Router is a router pod.
type Router struct {
	Name         string
	Model        *Model // nil: the pod has not reported
	Revision     int64
	ServingEpoch int64
	// Running: its container runs, so it may be using a placement even if it
	// does not answer.
	Running bool
}

// Problem needs somebody to act. The reason is one of a condition's.
type Problem struct{ Reason, Message string }

// Decision is what to do.
type Decision struct {
	// Doc is the document to publish; the State's own if nothing changes.
	Doc *placement.Document
	// Nodes is how many pods there must be: as many as wanted, and no fewer than
	// a published placement uses.
	Nodes int
	// Waiting says for what, empty at rest.
	Waiting string
	Problem *Problem
	// AsWanted: the placement in force, of Doc, is what the spec wants on the wanted
	// nodes. A Target beside it then moves experts for their load or machines only.
	AsWanted bool
	// Balance is what was found about the loads; nil if it was not looked at.
	Balance *Balance
	// Spread is what Doc's Target does for copies that share a machine; nil if it is made
	// for something else.
	Spread *Spread
}
