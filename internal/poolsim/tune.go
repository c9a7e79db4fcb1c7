package poolsim

import (
	"fmt"
	"math"
	"time"
)

// Candidate is a policy with a knob.
type Candidate struct {
	Name string
	// Balance is the window of the balancer that places experts by load; 0: none.
	Balance time.Duration
	// Targets from the most nodes to the fewest.
	Targets []float64
	// Unit of a target, and what else is set, for people.
	Unit string
	// New makes the policy anew.
	New func(target float64) Policy
}

// Tuned is a candidate with the target that costs least and keeps the bound.
type Tuned struct {
	Name   string
	Target string
	// Kept says that the bound was kept on each of the days; if no target does that,
	// the one with the most nodes is given.
	Kept bool
	// Days are the results, in the order in which the days were given.
	Days []*Result
}

// NodeHours of all days together.
func (t *Tuned) NodeHours() (sum float64) {
	for _, r := range t.Days {
		sum += r.NodeHours
	}
	return sum
}

// LateAllowed is the part of tokens that may come late: what p99 means.
const LateAllowed = 0.01

// Tune finds the one target with the fewest node-hours that keeps the bound on every
// one of the days. It tries from the fewest nodes upwards, coarsely, until more only
// costs more, and then finely. A target that keeps the bound may lie between two that
// do not, because some numbers of nodes divide the experts better than others; and
// one that costs less beyond one that costs more, because some policies swing.
// Bisection would miss both.
func Tune(c Candidate, days ...*Simulator) (*Tuned, error) {
	coarse := max(1, len(c.Targets)/coarseTargets)
	best, least, err := cheapest(c, days, len(c.Targets)-1, -1, coarse)
	if err != nil {
		return nil, err
	}
	kept := best >= 0
	if !kept {
		best = 0
	} else if finer, hours, err := cheapest(c, days, min(best+coarse, len(c.Targets))-1, best, 1); err != nil {
		return nil, err
	} else if finer >= 0 && hours < least {
		best = finer
	}
	t := &Tuned{Name: c.Name, Target: fmt.Sprintf("%.3g%s", c.Targets[best], c.Unit), Kept: kept}
	for _, s := range days {
		r, err := s.Run(c.New(c.Targets[best]), c.Balance)
		if err != nil {
			return nil, err
		}
		t.Days = append(t.Days, r)
	}
	return t, nil
}

const (
	// coarseTargets bounds the targets that the coarse search tries.
	coarseTargets = 12
	// dearer times the least node-hours is where a search ends.
	dearer = 1.2
)

// cheapest tries targets from one down to, but without, another, and gives the one
// that keeps the bound on all days with the fewest node-hours; -1 if none does.
func cheapest(c Candidate, days []*Simulator, from, to, step int) (best int, least float64, err error) {
	best, least = -1, math.Inf(1)
	for at := from; at > to; at -= step {
		kept, hours, err := keeps(c, days, c.Targets[at])
		switch {
		case err != nil:
			return -1, 0, err
		case kept && hours < least:
			best, least = at, hours
		case kept && hours > dearer*least:
			return best, least, nil
		}
	}
	return best, least, nil
}

// keeps says whether a target keeps the bound on all days, and what it takes.
func keeps(c Candidate, days []*Simulator, target float64) (kept bool, hours float64, err error) {
	for _, s := range days {
		r, err := s.play(c, target)
		if err != nil {
			return false, 0, fmt.Errorf("%s at %g%s: %w", c.Name, target, c.Unit, err)
		}
		if r.Late > LateAllowed {
			return false, 0, nil
		}
		hours += r.NodeHours
	}
	return true, hours, nil
}

// play is Run, once for each candidate and target.
func (s *Simulator) play(c Candidate, target float64) (*Result, error) {
	key := fmt.Sprint(c.Name, c.Unit, c.Balance, target)
	if r := s.played[key]; r != nil {
		return r, nil
	}
	r, err := s.Run(c.New(target), c.Balance)
	if err != nil {
		return nil, err
	}
	r.Nodes, r.Response = nil, nil
	s.played[key] = r
	return r, nil
}

// TuneAll tunes the candidates of a ladder, and gives the one with the fewest
// node-hours of those that keep the bound.
func TuneAll(l Ladder, days ...*Simulator) (*Tuned, error) {
	var best *Tuned
	for _, c := range l {
		t, err := Tune(c, days...)
		if err != nil {
			return nil, err
		}
		if best == nil || t.Kept && (!best.Kept || t.NodeHours() < best.NodeHours()) {
			best = t
		}
	}
	return best, nil
}
