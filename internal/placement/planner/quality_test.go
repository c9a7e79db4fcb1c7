package planner

import (
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Each sweep of trades that goes on saves loads, or trading would not end for the better.
func TestTradesSaveLoads(t *testing.T) {
	rnd := rand.New(rand.NewPCG(147, 1))
	sweeps := 0
	for range 300 {
		n, experts := 3+rnd.IntN(6), 12+rnd.IntN(20)
		y, fresh := newLayer(experts, n, 1, nil), newLayer(experts, n, 1, nil)
		for _, l := range []*layer{y, fresh} {
			l.room = filled(n, experts)
			for e := range experts {
				l.flip(rnd.IntN(n), e)
			}
		}
		copy(y.before, y.holds)
		var tr trader
		tr.begin(y, fresh)
		for i := range tr.node {
			tr.give(i, tr.best(i))
		}
		for range maxSweeps {
			before := sum(tr.stays)
			if !tr.trade() {
				break
			}
			if sweeps++; sum(tr.stays) <= before {
				t.Fatalf("%d of %d experts stay where they are after a sweep of trades, %d before", sum(tr.stays), experts, before)
			}
		}
	}
	if sweeps < 50 {
		t.Errorf("%d sweeps are too few for this test", sweeps)
	}
}

// Where nothing changes but what must, it does least harm to the balance: a node that holds
// too much gives up what brings it to the mean, and what lost its owner goes, of nodes with
// as much load, to the one with fewer experts.
func TestMendingHeedsBalance(t *testing.T) {
	for _, c := range []struct {
		name        string
		held        [][]int
		loads       []float64
		expert      int // that is loaded
		to          string
		slots, gone int
	}{
		{"too much: the one that makes it the mean", [][]int{{0, 1, 2}, {3}, {4}}, []float64{1, 5, 9, 10, 5}, 1, "n-2", 2, -1},
		{"as much load, fewer experts on the second", [][]int{{1, 2}, {3}, {0}}, []float64{5, 1, 1, 2}, 0, "n-1", 4, 2},
		{"as much load, fewer experts on the first", [][]int{{3}, {1, 2}, {0}}, []float64{5, 1, 1, 2}, 0, "n-0", 4, 2},
	} {
		r := Request{Layers: 1, Experts: len(c.loads), Nodes: nodes(len(c.held)), Replicas: 1, SlotsPerNode: c.slots,
			Loads: [][]float64{c.loads}, Cover: true}
		r.Current = &placement.Placement{Layers: 1, Experts: len(c.loads), Nodes: nodes(len(c.held))}
		for i, held := range c.held {
			r.Current.Nodes[i].Experts = [][]int{held}
		}
		if c.gone >= 0 {
			r.Nodes = r.Nodes[:c.gone]
		}
		moves := placement.Diff(r.Current, mustPlan(t, r), 1)
		if len(moves) != 1 || moves[0].Expert != c.expert || moves[0].To != c.to {
			t.Errorf("%s: %+v, want expert %d to %s", c.name, moves, c.expert, c.to)
		}
	}
}
