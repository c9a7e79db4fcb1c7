package planner

import (
	"math/rand/v2"
	"testing"
)

// fullSize is OLMoE on 64 nodes with two slots of a layer on each.
func fullSize(seed uint64) Request {
	loads := randomLoads(rand.New(rand.NewPCG(seed, 8)), 16, 64)
	return Request{Layers: 16, Experts: 64, Nodes: nodes(64), Replicas: 1, SlotsPerNode: 2, Loads: loads}
}

func benchmark(b *testing.B, r Request) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Plan(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlan64Nodes(b *testing.B) { benchmark(b, fullSize(7)) }

// From a placement for other loads.
func BenchmarkPlan64NodesShifted(b *testing.B) {
	benchmark(b, otherLoads(b))
}

// From a placement for loads that have drifted a little.
func BenchmarkPlan64NodesDrifted(b *testing.B) {
	r, rnd := fullSize(7), rand.New(rand.NewPCG(1, 1))
	r.Current = mustPlan(b, r)
	for _, row := range r.Loads {
		for e := range row {
			row[e] *= 0.95 + 0.1*rnd.Float64()
		}
	}
	r.MinGain = 0.002
	benchmark(b, r)
}

func BenchmarkPlan64Nodes72Slots(b *testing.B) {
	r := fullSize(7)
	r.SlotsPerNode, r.Slots = 0, 72
	benchmark(b, r)
}

func BenchmarkPlan64NodesEven(b *testing.B) {
	r := fullSize(7)
	r.Loads = nil
	benchmark(b, r)
}

func BenchmarkPlan8Nodes72Slots(b *testing.B) {
	r := fullSize(7)
	r.Nodes, r.SlotsPerNode, r.Slots = nodes(8), 0, 72
	benchmark(b, r)
}

func BenchmarkBound8Nodes72Slots(b *testing.B) {
	loads := fullSize(7).Loads[0]
	for b.Loop() {
		bound(loads, 1, 8, 72)
	}
}

func BenchmarkBound64Nodes128Slots(b *testing.B) {
	loads := fullSize(7).Loads[0]
	for b.Loop() {
		bound(loads, 1, 64, 128)
	}
}
