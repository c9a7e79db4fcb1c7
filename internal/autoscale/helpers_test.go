package autoscale

import (
	"fmt"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const second = time.Second

func nodeName(i int) string { return fmt.Sprintf("pool-experts-%d", i) }

// pool is an input of n equally busy nodes: 2 layers of 8 experts with equal
// load, 8 slots a node, range 1 to 8, targets 70 % and 2 ms.
func pool(n int, utilization float64) Input {
	in := Input{Settings: Settings{Min: 1, Max: 8, TargetUtilization: 70, TargetQueue: 2 * time.Millisecond},
		Now: noon, Wanted: n, MinNodes: 1, CanRebalance: true}
	in.Pool = planner.Request{Layers: 2, Experts: 8, Replicas: 1, SlotsPerNode: 8}
	for range in.Pool.Layers {
		in.Pool.Loads = append(in.Pool.Loads, []float64{10, 10, 10, 10, 10, 10, 10, 10})
	}
	for i := range n {
		in.Nodes = append(in.Nodes, Node{Name: nodeName(i), Ordinal: i, Ready: true, Utilization: utilization,
			Queue: 100 * time.Microsecond, Covered: 30 * second, Age: second})
		in.Pool.Nodes = append(in.Pool.Nodes, placement.Node{Name: nodeName(i)})
	}
	return in
}

// with changes an input in place and returns it.
func (in Input) with(change func(*Input)) Input {
	change(&in)
	return in
}

// hotFor is a memory of being too small since d before noon; idleFor of being too large.
func hotFor(d time.Duration) func(*Input) {
	return func(in *Input) { in.Memory.HotSince = noon.Add(-d) }
}

func idleFor(d time.Duration) func(*Input) {
	return func(in *Input) { in.Memory.IdleSince = noon.Add(-d) }
}

func mustPlan(t testing.TB, r planner.Request) *placement.Placement {
	t.Helper()
	p, err := planner.Plan(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
