//go:build !race

package engine_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// In steady state a decoded token allocates nothing in engine, model and kernels.
// What is left is by the page or grows by doubling: a page's entry in the index, a
// sequence's list of pages and tokens.
func TestDecodeDoesNotAllocate(t *testing.T) {
	for name, sampling := range map[string]engine.Sampling{
		"greedy":  {},
		"sampled": {Temperature: 0.9, TopP: 0.95, TopK: 40},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, limits())
			const sequences, warm, measured = 4, 60, 120
			var all []<-chan engine.Event
			for i := range sequences {
				all = append(all, r.submit(t, context.Background(), &engine.Request{
					Prompt: []int32{int32(i), 2, 3}, MaxTokens: warm + measured + 20, Sampling: sampling, IgnoreEOS: true, Logprobs: -1, PromptLogprobs: -1,
				}))
			}
			read := func(n int) {
				for range n {
					for _, ch := range all {
						if ev := <-ch; !ev.HasToken {
							t.Fatalf("%+v", ev)
						}
					}
				}
			}
			read(warm)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			read(measured)
			runtime.ReadMemStats(&after)
			perToken := float64(after.Mallocs-before.Mallocs) / (sequences * measured)
			t.Logf("%.3f allocations a token", perToken)
			if perToken > 0.25 {
				t.Errorf("%.2f allocations a token, want less than one in four", perToken)
			}
		})
	}
}
