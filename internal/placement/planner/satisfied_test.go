package planner

import (
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// TestSatisfiedNeedsNothing: whatever the machines, a placement that is as requested has
// no move that must be, so that plans by load keep to MaxMoves, and it stays so.
func TestSatisfiedNeedsNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(61, 62))
	cases := 0
	for range 600 {
		n := 3 + rnd.IntN(6)
		r := Request{Layers: 1, Experts: 16, Nodes: nodes(n), Replicas: 1 + rnd.IntN(3), Domains: drawnDomains(rnd, nodes(n))}
		if rnd.IntN(4) == 0 {
			r.SlotsPerNode = ceilDiv(r.Experts*r.Replicas, n) + rnd.IntN(3)
		}
		if rnd.IntN(2) == 0 {
			r.Loads = oddLoads(rnd, 1, 16)
		}
		r.Current = mustPlan(t, r)
		if rnd.IntN(2) == 0 {
			r.Domains = drawnDomains(rnd, r.Nodes)
		}
		if !r.Satisfied(r.Current) {
			t.Fatalf("a change of machines asks for other nodes to hold experts: %+v", r)
		}
		r.Loads, r.MinGain = oddLoads(rnd, 1, 16), 1e9*rnd.Float64()*float64(rnd.IntN(2))
		r.MaxMoves = 1 + rnd.IntN(3)
		p := mustPlan(t, r)
		if loads := len(placement.Diff(r.Current, p, 1)); loads > r.MaxMoves {
			t.Fatalf("%d loads, of at most %d: %+v", loads, r.MaxMoves, r)
		}
		if !r.Satisfied(p) || r.Crowded(p) > r.Crowded(r.Current) {
			t.Fatalf("a plan by load asks for another one: %+v", r)
		}
		if r.MinGain > 1 && r.Crowded(r.Current) == 0 {
			cases++
			if loads := len(placement.Diff(r.Current, p, 1)); loads > 0 {
				t.Fatalf("%d loads although nothing is worth any: %+v", loads, r)
			}
		}
	}
	if cases < 30 {
		t.Errorf("%d cases where nothing has to move are too few for this test", cases)
	}
}

// Fewer replicas without a limit of slots still give copies back.
func TestFewerReplicasAreNotSatisfied(t *testing.T) {
	r := Request{Layers: 2, Experts: 16, Nodes: nodes(4), Replicas: 2, Loads: oddLoads(rand.New(rand.NewPCG(63, 64)), 2, 16)}
	r.Current = mustPlan(t, r)
	r.Replicas = 1
	if r.Satisfied(r.Current) {
		t.Error("twice the copies are as requested")
	}
	if !r.Satisfied(mustPlan(t, r)) {
		t.Error("a plan gives too few of them back")
	}
}
