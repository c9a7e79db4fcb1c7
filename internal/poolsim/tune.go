package poolsim

import (
	"fmt"
	"math"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
)

// Candidate is a policy with a knob.
type Candidate struct {
	Name string
	// Rebalance says that experts are placed by load.
	Rebalance bool
	// Targets from the most nodes to the fewest.
	Targets []float64
	// Unit of a target, for people.
	Unit string
	// New makes the policy anew.
	New func(target float64) Policy
}

// Tuned is a candidate with the target that costs least and keeps the bound.
type Tuned struct {
	Name   string
	Target string
	// Kept says that the bound was kept; if no target does, the one with the most
	// nodes is given.
	Kept bool
	*Result
}

// LateAllowed is the part of tokens that may come late: what p99 means.
const LateAllowed = 0.01

// Tune finds the target with the fewest nodes that keeps the bound. It tries from
// the fewest nodes upwards, coarsely and then finely: a target that keeps the bound
// may lie between two that do not, because some numbers of nodes divide the
// experts better than others, and bisection would miss it.
func (s *Simulator) Tune(c Candidate) (*Tuned, error) {
	coarse := max(1, len(c.Targets)/coarseTargets)
	best, result, err := s.first(c, len(c.Targets)-1, -1, coarse)
	if err != nil {
		return nil, err
	}
	if result.Late <= LateAllowed {
		finer, r, err := s.first(c, min(best+coarse, len(c.Targets))-1, best, 1)
		if err != nil {
			return nil, err
		}
		if r != nil && r.Late <= LateAllowed {
			best, result = finer, r
		}
	}
	return &Tuned{Name: c.Name, Target: fmt.Sprintf("%.3g%s", c.Targets[best], c.Unit), Kept: result.Late <= LateAllowed, Result: result}, nil
}

// coarseTargets bounds the days that the coarse search plays.
const coarseTargets = 12

// first tries targets from one down to, but without, another, and stops at the
// first that keeps the bound. The last one tried is returned.
func (s *Simulator) first(c Candidate, from, to, step int) (at int, r *Result, err error) {
	for i := from; i > to; i -= step {
		if r, err = s.Run(c.New(c.Targets[i]), c.Rebalance); err != nil {
			return i, nil, fmt.Errorf("%s at %g%s: %w", c.Name, c.Targets[i], c.Unit, err)
		}
		if at = i; r.Late <= LateAllowed {
			break
		}
	}
	return at, r, nil
}

// Best is the one with the fewest node-hours of those that keep the bound.
func Best(tuned ...*Tuned) *Tuned {
	best := tuned[0]
	for _, t := range tuned[1:] {
		if t.Kept && (!best.Kept || t.NodeHours < best.NodeHours) {
			best = t
		}
	}
	return best
}

// Ladder is a policy with its knobs: one candidate for each setting of a second
// knob, of which the best counts.
type Ladder []Candidate

// Ladders are the policies that are compared, for a pool of fewest to most nodes
// that shall answer within bound (s). The first one is ours.
func Ladders(fewest, most int, bound float64) []Ladder {
	hpa := func(metric func(*Observation) float64, scale float64) func(float64) Policy {
		return func(target float64) Policy {
			return &HPA{Min: fewest, Max: most, Metric: metric, Target: target * scale}
		}
	}
	static := func(target float64) Policy { return Static(int(target)) }
	percentages, lengths, numbers := steps(20, 95, 1), powers(0.01, 10, 64), falling(fewest, most)
	var load Ladder
	for _, part := range []float64{3, 1} {
		load = append(load, ours(fewest, most, percentages, time.Duration(bound/part*float64(time.Second)).Round(100*time.Microsecond)))
	}
	return []Ladder{
		load,
		{ours(fewest, most, []float64{autoscale.DefaultTargetUtilisation}, autoscale.DefaultTargetQueue)},
		{{"HPA, CPU", false, percentages, " %", hpa(MeanCPU, 0.01)}},
		{{"HPA, queue", false, lengths, " waiting", hpa(QueueLength, 1)}},
		{{"HPA, CPU + balancer", true, percentages, " %", hpa(MeanCPU, 0.01)}},
		{{"HPA, queue + balancer", true, lengths, " waiting", hpa(QueueLength, 1)}},
		{{"peak, fixed", false, numbers, " nodes", static}},
		{{"peak, fixed + balancer", true, numbers, " nodes", static}},
	}
}

func ours(fewest, most int, percentages []float64, queue time.Duration) Candidate {
	name := "expert load"
	if len(percentages) == 1 {
		name = "expert load, default targets"
	}
	return Candidate{name, true, percentages, fmt.Sprintf(" %%, %v", queue), func(target float64) Policy {
		return &Ours{Settings: autoscale.Settings{Min: fewest, Max: most, TargetUtilisation: int(target), TargetQueue: queue}}
	}}
}

func steps(from, to, by float64) (out []float64) {
	for x := from; x <= to; x += by {
		out = append(out, x)
	}
	return out
}

// powers are n numbers from first to last, each larger than the one before by the
// same factor.
func powers(first, last float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = first * math.Pow(last/first, float64(i)/float64(n-1))
	}
	return out
}

// falling are numbers of nodes from most to fewest, 1 % apart at least.
func falling(fewest, most int) (out []float64) {
	for n := most; n >= fewest; n -= max(1, n/100) {
		out = append(out, float64(n))
	}
	return out
}
