package poolsim

import (
	"fmt"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// Policy chooses the number of nodes. One that remembers must be made anew for
// each day.
type Policy interface {
	// Want is asked in every slot; now counts from the start of the day.
	Want(now time.Duration, o *Observation) int
}

// Observation is what a policy may know: means over a sliding window.
type Observation struct {
	Wanted   int
	Changing bool
	// Nodes that serve, by ordinal: means over so many slots.
	Nodes func(slots int) []autoscale.Node
	// Waiting is the mean number of requests that wait at all nodes together.
	Waiting func() float64

	day *day
}

// Static is peak provisioning: one number all day.
type Static int

// Want implements Policy.
func (s Static) Want(time.Duration, *Observation) int { return int(s) }

// Ours is package autoscale as the operator calls it: it looks at the nodes
// load.LooksPerWindow times in each window, and decides right after.
type Ours struct {
	Settings autoscale.Settings
	// Window of the signals, spec.experts.rebalancing.windowSeconds; at most windowSlots.
	Window time.Duration
	memory autoscale.Memory
	next   time.Duration // the next look
}

// Want implements Policy.
func (p *Ours) Want(now time.Duration, o *Observation) int {
	if now < p.next {
		return o.Wanted
	}
	p.next = now + p.Window/load.LooksPerWindow
	mix := o.day.mix()
	plans := o.day.plans
	in := autoscale.Input{Settings: p.Settings, Now: start.Add(now), Wanted: o.Wanted, MinNodes: plans.minNodes(),
		Changing: o.Changing, CanRebalance: true, Nodes: o.Nodes(int(p.Window.Seconds() / Slot)), Memory: p.memory, Plan: plans.planned(mix)}
	in.Pool = o.day.request(o.Wanted, mix)
	d := autoscale.Decide(in)
	if d.Reason == autoscale.ReasonInvalid {
		panic(fmt.Sprintf("poolsim: %s", d.Message)) // the caller checked the settings
	}
	p.memory = d.Memory
	return d.Nodes
}

// start is the midnight that days begin at; only differences matter.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
