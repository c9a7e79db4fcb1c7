package bench

import (
	"context"
	"math/rand/v2"
	"time"
)

// dispatch measures round trips to the experts of a layer: rows there, outputs
// back, computation included.
func (b *bench) dispatch(ctx context.Context, _ *client, rows int) (outcome, error) {
	r := outcome{Result: Result{Name: "dispatch", Batch: rows, Tokens: rows}}
	h, k := b.cfg.HiddenSize, b.cfg.NumExpertsPerTok
	rng := rand.New(rand.NewPCG(uint64(rows), 1)) //nolint:gosec // test data
	x, ids, out := make([]float32, rows*h), make([]int32, rows*k), make([]float32, rows*k*h)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	var seconds []float64
	distinct := 0 // experts, over all rounds
	for range dispatchRounds {
		seen := map[int32]bool{}
		for i := range rows {
			for j, e := range rng.Perm(b.cfg.NumExperts)[:k] {
				ids[i*k+j] = int32(e) //nolint:gosec // below the number of experts
				seen[int32(e)] = true
			}
		}
		distinct += len(seen)
		start := time.Now()
		if err := b.Dispatcher.Do(ctx, rng.IntN(b.cfg.NumLayers), x, rows, ids, out); err != nil {
			return r, err
		}
		seconds = append(seconds, time.Since(start).Seconds())
	}
	p50 := median(seconds)
	r.SecondsP50, r.TokensPerSecond = p50, float64(rows)/p50
	flops := float64(rows) * b.cost.expertFlops / float64(b.cfg.NumLayers)
	bytes := float64(distinct) / dispatchRounds * b.cost.expertBytes
	r.fraction = func(l Limits) float64 { return b.cost.seconds(l, bytes, flops) / p50 }
	return r, nil
}
