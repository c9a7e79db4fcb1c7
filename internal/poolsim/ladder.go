package poolsim

import (
	"fmt"
	"math"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// Ladder is a policy with its knobs: one candidate for each setting of the other
// knobs, of which the best counts.
type Ladder []Candidate

// The places of the policies in Ladders.
const (
	ExpertLoad = iota
	Defaults
	HPACPU
	HPAQueue
	HPACPUBalanced
	HPAQueueBalanced
	Fixed
	FixedBalanced
)

// Ladders are the policies that are compared, for a pool of fewest to most nodes
// that shall answer within bound (s).
func Ladders(fewest, most int, bound float64) []Ladder {
	numbers := falling(fewest, most)
	static := func(target float64) Policy { return Static(int(target)) }
	var byLoad Ladder
	for _, window := range windows {
		for _, part := range queueParts {
			queue := time.Duration(bound / part * float64(time.Second)).Round(100 * time.Microsecond)
			byLoad = append(byLoad, ours(fewest, most, percentages, queue, window))
		}
	}
	var cpu, queue, cpuBalanced, queueBalanced Ladder
	for _, stable := range []time.Duration{HPAStable, HPAStable / 5} {
		cpu = append(cpu, hpa("HPA, CPU", MeanCPU, percentages, 0.01, " %", fewest, most, stable, 0))
		queue = append(queue, hpa("HPA, queue", QueueLength, lengths, 1, " waiting", fewest, most, stable, 0))
		for _, window := range windows {
			cpuBalanced = append(cpuBalanced, hpa("HPA, CPU + balancer", MeanCPU, percentages, 0.01, " %", fewest, most, stable, window))
			queueBalanced = append(queueBalanced, hpa("HPA, queue + balancer", QueueLength, lengths, 1, " waiting", fewest, most, stable, window))
		}
	}
	return []Ladder{
		ExpertLoad:       byLoad,
		Defaults:         {ours(fewest, most, []float64{autoscale.DefaultTargetUtilization}, autoscale.DefaultTargetQueue, defaultWindow)},
		HPACPU:           cpu,
		HPAQueue:         queue,
		HPACPUBalanced:   cpuBalanced,
		HPAQueueBalanced: queueBalanced,
		Fixed:            {{"peak, fixed", 0, numbers, " nodes", static}},
		FixedBalanced:    {{"peak, fixed + balancer", defaultWindow, numbers, " nodes", static}},
	}
}

// defaultWindow is the operator's.
const defaultWindow = load.DefaultWindow

var (
	// windows of the balancer, and of our signals: the operator's default, and the
	// shortest of which a quarter is a slot.
	windows = []time.Duration{defaultWindow, 4 * Slot * time.Second}
	// queueParts of the bound are our targets of waiting time: an answer takes some
	// three waits and the computation.
	queueParts  = []float64{1, 3.5, 6}
	percentages = steps(20, 95, 1)
	lengths     = powers(0.01, 10, 64)
)

func ours(fewest, most int, percentages []float64, queue, window time.Duration) Candidate {
	name := "expert load"
	if len(percentages) == 1 {
		name = "expert load, default targets"
	}
	return Candidate{name, window, percentages, fmt.Sprintf(" %%, %v of %v", queue, window), func(target float64) Policy {
		return &Ours{Settings: autoscale.Settings{Min: fewest, Max: most, TargetUtilization: int(target), TargetQueue: queue}, Window: window}
	}}
}

func hpa(name string, metric func(*Observation) float64, targets []float64, scale float64, unit string, fewest, most int, stable, balance time.Duration) Candidate {
	unit += fmt.Sprintf(", %.0f s", stable.Seconds())
	return Candidate{name, balance, targets, unit, func(target float64) Policy {
		return &HPA{Min: fewest, Max: most, Stable: stable, Metric: metric, Target: target * scale}
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
