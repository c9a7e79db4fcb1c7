package poolsim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"
)

// Foresight is a policy that knows the day in advance: the number of nodes that
// serve in each slot. Its nodes come and go one at a time, as slowly as any other
// policy's.
type Foresight []int

// Want implements Policy.
func (f Foresight) Want(now time.Duration, o *Observation) int {
	if o.Changing {
		return o.Wanted
	}
	next := int(now.Seconds()/Slot) + 1
	ready := next + 2*int(math.Ceil(o.day.times.start(o.day.plans.slots)/Slot)) // of the step after this one
	want := slices.Max(f[min(next, len(f)-1):min(ready, len(f))])
	return min(max(want, o.Wanted-1), o.Wanted+1)
}

// needs finds the fewest nodes that answer within the bound.
type needs struct {
	sim  *Simulator
	best map[int][]capacity // by mix
	next map[int]int        // by mix: the number of nodes that has not been tried
}

// capacity says that so many nodes carry this rate (frames a second and layer),
// and that fewer nodes do not.
type capacity struct {
	nodes int
	rate  float64
}

// of a rate of a mix: the fewest nodes whose busiest one answers within the bound
// when experts are placed for that mix. More nodes may carry less, when they divide
// the experts worse, so all numbers are tried, from the fewest.
func (n *needs) of(mix int, rate float64) (int, error) {
	list := n.best[mix]
	for len(list) == 0 || list[len(list)-1].rate < rate {
		nodes := max(n.next[mix], n.sim.MinNodes())
		if nodes > peakNodes*n.sim.config.Peak {
			return 0, fmt.Errorf("poolsim: %d nodes are not enough for the bound of %v s", nodes-1, n.sim.config.Bound)
		}
		carries, err := n.sim.carries(nodes, mix)
		if err != nil {
			return 0, err
		}
		if len(list) == 0 || carries > list[len(list)-1].rate {
			list = append(list, capacity{nodes, carries})
		}
		n.next[mix], n.best[mix] = nodes+1, list
	}
	return list[sort.Search(len(list), func(i int) bool { return list[i].rate >= rate })].nodes, nil
}

// peakNodes times Config.Peak is where the search for a bound that cannot be kept ends.
const peakNodes = 4

// carries is the highest rate at which no node of the plan answers later than the bound.
func (s *Simulator) carries(nodes, mix int) (float64, error) {
	p, err := s.plans.get(nodes, mix)
	if err != nil {
		return 0, err
	}
	busiest := s.plans.under(p, mix).busiest
	low, high := 0.0, curveEnd/busiest[0].station.work
	for range 40 {
		rate := (low + high) / 2
		late := slices.ContainsFunc(busiest, func(c *curve) bool { return c.at(rate*c.station.work).response > s.config.Bound })
		if late {
			high = rate
		} else {
			low = rate
		}
	}
	return low, nil
}

// Needs is the fewest nodes for each slot of the day.
func (s *Simulator) Needs() ([]int, error) {
	n := &needs{s, map[int][]capacity{}, map[int]int{}}
	rate := s.rate()
	out := make([]int, len(s.config.Trace.Demand))
	for i, demand := range s.config.Trace.Demand {
		var err error
		if out[i], err = n.of(s.config.Trace.Mix[i], rate*demand); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Least is less than any policy can need: nodes that come and go at once, when they
// are needed, placed at once for the text of the moment, and the tokens that may be
// late chosen so that they save most.
func (s *Simulator) Least(need []int) float64 {
	demand, fewest := s.config.Trace.Demand, float64(s.MinNodes())
	order := make([]int, len(need))
	var hours, left float64
	for i, n := range need {
		order[i] = i
		hours += float64(n) * Slot / 3600
		left += demand[i] * LateAllowed
	}
	saved := func(i int) float64 { return float64(need[i]) - fewest }
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(saved(b)/demand[b], saved(a)/demand[a]) })
	for _, i := range order {
		part := min(1, left/demand[i])
		hours -= part * saved(i) * Slot / 3600
		if left -= part * demand[i]; left <= 0 {
			break
		}
	}
	return hours
}

// InSteps is a ladder of schedules that have what is needed in every slot, or up to
// a quarter more, although nodes come and go one at a time: a plan for some nodes
// more may carry less.
func (s *Simulator) InSteps(need []int) Ladder {
	return Ladder{{"foresight, one at a time", Slot * time.Second, falling(100, 125), " % of need", func(percent float64) Policy {
		return s.inSteps(need, percent/100)
	}}}
}

func (s *Simulator) inSteps(need []int, part float64) Foresight {
	perSlot := 1 / math.Ceil(s.config.Times.start(s.config.SlotsPerNode)/Slot) // a step ends with a slot
	f := make(Foresight, len(need))
	ahead := 0.0
	for i := len(need) - 1; i >= 0; i-- { // what is needed later must have begun
		ahead = max(ahead-perSlot, math.Ceil(part*float64(need[i])))
		f[i] = int(math.Ceil(ahead))
	}
	behind := 0.0
	for i := range f { // what has been there leaves one after another
		behind = max(behind-perSlot, float64(f[i]))
		f[i] = int(math.Ceil(behind))
	}
	return f
}
