//go:build !race

package engine_test

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

const (
	// allocSequences run at once: what allocates by the step is a fourth by the token.
	allocSequences = 4
	// maxAllocs a token: an allocation in every other step, for lists and buffers that
	// grow by doubling (0.02 to 0.08 measured, idle and loaded).
	maxAllocs = 0.5 / allocSequences
	// allocRounds: the first also makes the KV pages, an allocation for each, and where
	// the machine is busy the client falls behind and the buffers of what it has not read
	// yet grow. Both come on top, so the least of some rounds counts; what allocates by the
	// token or the step does so in all of them.
	allocRounds = 6
)

// In steady state a decoded token allocates nothing in engine, model and kernels.
func TestDecodeDoesNotAllocate(t *testing.T) {
	for name, sampling := range map[string]engine.Sampling{
		"greedy":  {},
		"sampled": {Temperature: 0.9, TopP: 0.95, TopK: 40},
	} {
		t.Run(name, func(t *testing.T) {
			l := limits()
			l.KVBytes = 64 * pageBytes // a round's, and few more: the next round has no page to make
			r := start(t, l)
			least := math.Inf(1)
			for i := range allocRounds {
				perToken := r.allocations(t, sampling)
				t.Logf("round %d: %.3f allocations a token", i, perToken)
				if least = min(least, perToken); least <= maxAllocs {
					return
				}
			}
			t.Errorf("%.2f allocations a token at least, want at most %v", least, maxAllocs)
		})
	}
}

// allocations a token while some sequences decode, from one of the engine's
// steps to another, without what a collector that empties pools would add.
func (r *rig) allocations(t *testing.T, s engine.Sampling) float64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const warm, measured, rest = 60, 120, 20
	var before, after runtime.MemStats
	step := 0
	r.experts.set(func(_ context.Context, layer int) error {
		if layer > 0 {
			return nil
		}
		switch step++; step {
		case warm:
			runtime.ReadMemStats(&before)
		case warm + measured:
			runtime.ReadMemStats(&after)
		}
		return nil
	})
	var all []<-chan engine.Event
	for i := range allocSequences {
		all = append(all, r.submit(t, context.Background(), &engine.Request{
			Prompt: []int32{int32(i), 2, 3}, MaxTokens: warm + measured + rest, Sampling: s, IgnoreEOS: true, Logprobs: -1, PromptLogprobs: -1,
		}))
	}
	for range warm + measured + rest {
		for _, ch := range all {
			if ev := <-ch; !ev.HasToken {
				t.Fatalf("%+v", ev)
			}
		}
	}
	return float64(after.Mallocs-before.Mallocs) / (allocSequences * measured)
}
