package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// What the operator does by default (controllers/pool/balance.go): it looks four
// times in a window, moves for 5 % or for three times what chance does, and loads
// 4 GiB a minute, which is 341 of the real experts in 16 layers.
const (
	minGain        = 0.05
	chance         = 3
	budgetPerLayer = 341.0 / 16
	// few tokens for each expert, as a part of the mean, so that one without any is
	// not taken to weigh nothing.
	few = 1.0 / 16
)

// balancer moves experts by the load that the nodes tell.
type balancer struct {
	op     *operator
	window time.Duration
	kind   load.Kind // of traffic
	spent  time.Time // when the budget was
	moves  int       // experts that nodes had to load so far
}

func (b *balancer) rows(ctx context.Context, window time.Duration) ([][]float64, error) {
	report := fleet.LoadAll(ctx, &b.op.fleet, b.op.nodes.pods(), window)
	if len(report.Failed) > 0 {
		return nil, fmt.Errorf("load of %s: %s", report.Failed[0].Node, report.Failed[0].Error)
	}
	return load.RowsWithin(report.Nodes, window), nil
}

// look asks for the load and moves experts if that is worth it.
func (b *balancer) look(ctx context.Context) error {
	newest, err := b.rows(ctx, b.window/load.LooksPerWindow)
	if err != nil {
		return err
	}
	looks := b.kind.Look(newest)
	if looks == 0 {
		return nil
	}
	rows, err := b.rows(ctx, b.window*time.Duration(looks)/load.LooksPerWindow)
	if err != nil {
		return err
	}
	return b.decide(ctx, rows)
}

func (b *balancer) decide(ctx context.Context, rows [][]float64) error {
	loads, least := learnt(rows)
	nodes := float64(len(b.op.nodes.nodes))
	may := &rollout.Rebalance{
		Moves: int(budgetPerLayer * float64(len(rows))), Spent: time.Since(b.spent) < b.window,
		MinGain: max(minGain, chance/math.Sqrt(max(least/nodes, 1)*float64(len(rows)))),
	}
	serving := b.op.doc.Serving
	if _, err := b.op.round(ctx, loads, may); err != nil || b.op.doc.Target == nil {
		return err
	}
	b.spent = time.Now()
	b.moves += len(placement.Diff(serving, b.op.doc.Target, 0))
	return b.op.settle(ctx, nil)
}

// learnt are rows for the planner, and how many there are in the layer with the
// fewest.
func learnt(rows [][]float64) (loads [][]float64, least float64) {
	least = math.Inf(1)
	for _, layer := range rows {
		sum := load.Total(layer)
		least = min(least, sum)
		list := make([]float64, len(layer))
		for e, n := range layer {
			list[e] = n + max(1, few*sum/float64(len(layer)))
		}
		loads = append(loads, list)
	}
	return loads, least
}
