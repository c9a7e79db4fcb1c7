package autoscale

import (
	"fmt"
	"time"
)

// Settings are the user's: what spec.scaling says. The zero value of a target
// means its default.
type Settings struct {
	// Min and Max are the range of the number of nodes; 1 <= Min <= Max.
	Min, Max int
	// TargetUtilization is the percentage of its time that the busiest node shall
	// spend computing, at most; 1 to 100.
	TargetUtilization int
	// TargetQueue is how long a request shall wait on average at the node where it
	// waits longest, at most.
	TargetQueue time.Duration
}

// The defaults come from simulated pools of 64 to 1,000 nodes (docs/scaling.md).
const (
	DefaultTargetUtilization = 70
	DefaultTargetQueue       = 20 * time.Millisecond
)

const (
	// ScaleOutWindow is how long a target must be exceeded: longer than one odd
	// reading, shorter than users take to complain.
	ScaleOutWindow = 15 * time.Second
	// RebalanceWindow is how long a better placement on the same nodes is waited
	// for before a node is added after all: two intervals of the balancer.
	RebalanceWindow = 2 * time.Minute
	// ScaleInWindow is how long a node must have been superfluous. As with the
	// horizontal pod autoscaler, five minutes outlast the gaps between bursts.
	ScaleInWindow = 5 * time.Minute
	// ScaleInMargin is the part of a target that the busiest node may reach with
	// one node less. What is left is how much the load may grow before the node
	// is needed again.
	ScaleInMargin = 0.9
	// ReversalWindow holds at most one change of direction.
	ReversalWindow = 10 * time.Minute
	// MaxAge is the age at which an answer is stale: a few polls lost.
	MaxAge = 30 * time.Second
	// MinCovered is the shortest time that a figure may be about: of a node that
	// has just started, less says nothing.
	MinCovered = 3 * time.Second
)

// Check says which field no pool can be scaled by.
func (s Settings) Check() error {
	switch {
	case s.Min < 1 || s.Max < s.Min:
		return fmt.Errorf("scaling: min %d, max %d: min must be at least 1, and max at least min", s.Min, s.Max)
	case s.TargetUtilization < 0 || s.TargetUtilization > 100:
		return fmt.Errorf("scaling: targetUtilizationPercent %d is not between 1 and 100", s.TargetUtilization)
	case s.TargetQueue < 0:
		return fmt.Errorf("scaling: targetQueueMilliseconds: %v is negative", s.TargetQueue)
	}
	return nil
}

// withDefaults puts the defaults where nothing is given.
func (s Settings) withDefaults() Settings {
	if s.TargetUtilization == 0 {
		s.TargetUtilization = DefaultTargetUtilization
	}
	if s.TargetQueue == 0 {
		s.TargetQueue = DefaultTargetQueue
	}
	return s
}

func (s Settings) utilization() float64 { return float64(s.TargetUtilization) / 100 }
