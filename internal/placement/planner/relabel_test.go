package planner

import (
	"runtime"
	"testing"
)

// TestMemoryOfLargePools: a plan from a placement in force takes memory for the nodes and
// what they hold, not for all pairs of nodes.
func TestMemoryOfLargePools(t *testing.T) {
	const many = 8192
	loads := make([]float64, 64)
	for e := range loads {
		loads[e] = 1
	}
	loads[3] = 1e5
	r := oneLayer(loads, 500, 550)
	r.Current = mustPlan(t, r)
	r.Nodes, r.Slots = nodes(many), many+many/16
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	checkPlan(t, r, mustPlan(t, r))
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
		t.Errorf("a plan for %d nodes allocates %d MiB", many, got>>20)
	}
}
