//go:build !race

package router_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// A decoded token through engine, dispatcher, gRPC and an expert node, both ends in
// this process. Nothing of ours allocates by the token; what is left is gRPC's, by
// the message (ADR 0104): a layer has one request and one answer.
func TestSplitDecodeAllocations(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	node(t, dir, file)
	core := startCore(t, router.CoreOptions{Model: dir, Workers: 1, Limits: engine.Limits{MaxRows: 64}, PrefixCache: true}, file)

	const warm, measured = 60, 60
	ch, err := core.Engine.Submit(t.Context(), &engine.Request{Prompt: []int32{1, 2, 3}, MaxTokens: warm + measured + 2, IgnoreEOS: true, Logprobs: -1, PromptLogprobs: -1})
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int) {
		for range n {
			if ev := <-ch; !ev.HasToken {
				t.Fatalf("%+v", ev)
			}
		}
	}
	read(warm)
	var before, after runtime.MemStats
	goroutines := runtime.NumGoroutine()
	runtime.ReadMemStats(&before)
	read(measured)
	runtime.ReadMemStats(&after)
	messages := 2 * core.Config().NumLayers
	perMessage := float64(after.Mallocs-before.Mallocs) / float64(measured*messages)
	t.Logf("%.1f allocations a message, both ends", perMessage)
	if perMessage > 10 {
		t.Errorf("%.1f allocations a message, want at most 10", perMessage)
	}
	if n := runtime.NumGoroutine(); n > goroutines+4 {
		t.Errorf("%d goroutines after %d tokens, %d before", n, measured, goroutines)
	}
}
