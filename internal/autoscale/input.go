package autoscale

import (
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// Input is what a decision is made from.
type Input struct {
	Settings Settings
	// Now is the time of the decision; it only ever grows.
	Now time.Time
	// Wanted is the number of nodes that the pool shall have so far.
	Wanted int
	// MinNodes is the fewest nodes with room for every expert and its replicas.
	MinNodes int
	// Changing says that the pool is not yet as wanted: nodes start or leave, or a
	// placement is on its way.
	Changing bool
	// SameNodes, while Changing, says that only experts move, between the Wanted nodes:
	// what these tell is of as many nodes as before.
	SameNodes bool
	// MissingFrom, while Changing, is the lowest ordinal of the nodes that are not there
	// yet, if nothing else is under way; else 0.
	MissingFrom int
	// CanRebalance says that somebody moves experts by load between the nodes there are.
	CanRebalance bool
	// Nodes are the signals, one for each node that serves. What is beyond Wanted
	// is ignored: those nodes leave.
	Nodes []Node
	// Pool is what the pool would be planned from with the nodes it has: model,
	// replicas, slots, loads in the time of the signals, the placement in force.
	// Pool.Nodes are in order of their ordinals, Wanted of them. Without
	// Pool.Loads there is no scale-in.
	Pool planner.Request
	// Plan makes placements as the pool would have them with the request's nodes; nil is
	// planner.Plan. A caller that asks often may keep the answers.
	Plan func(planner.Request) (*placement.Placement, error)
	// Memory is the last decision's.
	Memory Memory
}

// bounds are the range of the number. Room for the model stands above Max.
func (in *Input) bounds() (low, high int) {
	low = max(in.Settings.Min, in.MinNodes)
	return low, max(in.Settings.Max, low)
}

// Outside says whether the number is outside of its range: it then goes towards it
// without signals.
func (in *Input) Outside() bool {
	low, high := in.bounds()
	return in.Wanted < low || in.Wanted > high
}

// Node is what one expert node said about itself.
type Node struct {
	Name string
	// Ordinal of the pod; the highest one leaves first.
	Ordinal int
	// Ready says that the node serves all that is assigned to it.
	Ready bool
	// Utilization is the part of the time covered that it spent computing, 0 to 1.
	Utilization float64
	// Queue is how long a request waited there before its computation began, on
	// average.
	Queue time.Duration
	// Covered is the time that the figures are about.
	Covered time.Duration
	// Age is how long ago the node said so.
	Age time.Duration
}

// Memory is what a decision needs to know of earlier ones.
type Memory struct {
	// Changed is the time of the last step, Direction +1 for out, -1 for in, 0 if
	// there was none, Reversed the time of the last step that turned the direction.
	// These three must outlive the process (ExpertPool's status): rule 6 rests on
	// them.
	Changed   time.Time
	Direction int
	Reversed  time.Time
	// The rest may be lost; that costs a window of waiting, if the caller then says when
	// the pool last changed, and that it does not know what it had before (AfterRestart).

	// HotSince and IdleSince: since when, without a break that anybody has seen, a node
	// has been too few or too many; zero if it is not so. What cannot be seen ends them,
	// but for HotSince during a change.
	HotSince, IdleSince time.Time
	// Moving is when the number of nodes was last seen changing, and Before what it was when
	// that began. Figures that cover time before the change are about Before nodes; 0
	// means that there are none such. Below 0 there may be, and of how many nodes nobody
	// knows: they count as missing.
	Moving time.Time
	Before int
}

// AfterRestart is the memory of a caller that has only what must outlive it: of a pool that
// changed last at that time, or later.
func (m Memory) AfterRestart(changed time.Time) Memory {
	return Memory{Changed: m.Changed, Direction: m.Direction, Reversed: m.Reversed, Moving: changed, Before: -1}
}

// Decision is the answer.
type Decision struct {
	// Nodes is what the pool shall have: Wanted, or one more or less.
	Nodes int
	// Reason is a word for a condition or an event, one of those below.
	Reason string
	// Message says it to a person, with the figures.
	Message string
	// About is what a held decision's message is about, apart from figures that come and
	// go: a node, a limit. The message is told anew only if Reason or About has changed.
	About string
	// Until is when a held step may be taken if nothing changes; zero if no step
	// is held back by time.
	Until time.Time
	// Memory is for the next decision.
	Memory Memory
}

// Reasons of decisions.
const (
	// The number changes.
	ReasonBelowMinimum = "BelowMinimum" // one more: fewer than allowed or needed
	ReasonAboveMaximum = "AboveMaximum" // one less: more than allowed
	ReasonBusy         = "Busy"         // one more: the busiest node computes too much of the time
	ReasonQueue        = "Queue"        // one more: requests wait too long
	ReasonIdle         = "Idle"         // one less: the others carry the load
	// The number stays.
	ReasonInvalid        = "InvalidSettings"
	ReasonStepInProgress = "StepInProgress"
	ReasonSignalsMissing = "SignalsMissing"
	ReasonOnTarget       = "OnTarget"
	ReasonStabilising    = "Stabilising" // waits for the window
	ReasonRebalancing    = "Rebalancing" // a better placement would do
	ReasonReversal       = "Reversal"    // would turn for the second time in ReversalWindow
	ReasonAtMaximum      = "AtMaximum"   // too few, but no more are allowed
	ReasonAtMinimum      = "AtMinimum"   // too many, but no fewer are allowed
	ReasonTooTight       = "TooTight"    // the plan says that one node less would be too few
)
