package planner

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// few is a request of a few experts with slots to spare: where a search is most often luck.
func few(rnd *rand.Rand) Request {
	r := Request{Layers: 1 + rnd.IntN(2), Experts: 5 + rnd.IntN(6), Nodes: nodes(4 + rnd.IntN(2)), Replicas: 1}
	r.Slots = r.Experts + 2 + rnd.IntN(5)
	for range r.Layers {
		row := make([]float64, r.Experts)
		for e := range row {
			row[e] = float64(rnd.IntN(1000))
		}
		r.Loads = append(r.Loads, row)
	}
	return r
}

// TestOwnResultStays: a plan from a plan's own result, for the same loads, moves nothing,
// whether that began with nothing or with a placement for other loads.
func TestOwnResultStays(t *testing.T) {
	rnd := rand.New(rand.NewPCG(71, 72))
	for range 300 {
		r := few(rnd)
		for range 2 {
			r.Current = mustPlan(t, r)
			if p := mustPlan(t, r); !p.Same(r.Current) {
				t.Fatalf("%d moves, busiest %v before and %v after: %+v", len(placement.Diff(r.Current, p, 1)),
					r.Current.BusiestLoads(r.Loads), p.BusiestLoads(r.Loads), r)
			}
			for _, row := range r.Loads {
				rnd.Shuffle(len(row), func(i, j int) { row[i], row[j] = row[j], row[i] })
			}
		}
	}
}

// TestSlotsMayStayEmpty: with 6 slots two experts of equal load have 2 copies each, on nodes
// of their own. Where all slots are taken some node holds both.
func TestSlotsMayStayEmpty(t *testing.T) {
	r := Request{Layers: 1, Experts: 2, Nodes: nodes(4), Replicas: 1, Slots: 6, Loads: [][]float64{{1, 1}}}
	if b := mustPlan(t, r).Balancedness(r.Loads)[0]; math.Abs(b-1) > 1e-9 {
		t.Errorf("balancedness %v, want 1", b)
	}
}
