package router_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/router"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// A prompt that is computed in halves, one of which is at an expert node while the
// other is here, is answered as one process does that computes the experts itself.
func TestHalvesThroughANode(t *testing.T) {
	for _, w := range []checkpoint.Weights{checkpoint.AsStored, checkpoint.Int8} {
		t.Run(string(w), func(t *testing.T) { halvesThroughANode(t, w) })
	}
}

func halvesThroughANode(t *testing.T, w checkpoint.Weights) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	nodeAs(t, dir, w, file)
	split, whole := prometheus.NewRegistry(), prometheus.NewRegistry()
	want := answered(t, router.CoreOptions{Model: dir, Weights: w, OneProcess: true, Metrics: whole}, file)
	got := answered(t, router.CoreOptions{Model: dir, Weights: w, Metrics: split}, file)
	if !reflect.DeepEqual(want, got) {
		t.Error("halves give another answer")
	}
	if n := counter(t, whole, "olmoe_engine_halved_steps_total"); n != 0 {
		t.Errorf("%v steps in halves in one process, want none", n)
	}
	// 128 and 122 rows of the prompt; steps of decode are small.
	if n := counter(t, split, "olmoe_engine_halved_steps_total"); n != 2 {
		t.Errorf("%v steps in halves, want 2", n)
	}
}

// startCore is a core that serves with the placement in file until the test ends.
func startCore(t *testing.T, o router.CoreOptions, file string) *router.Core {
	t.Helper()
	o.Name, o.MaxWait, o.Log = "r0", 20*time.Second, logr.Discard()
	o.MaxSequences, o.MaxQueue, o.KVBytes = 8, 8, 16<<20
	core, err := router.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	core.Dispatcher.Apply(document(t, file))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); core.Engine.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; core.Close() })
	return core
}

// answered is what a core says to a prompt of 250 tokens, in steps of 128.
func answered(t *testing.T, o router.CoreOptions, file string) (all []engine.Event) {
	t.Helper()
	o.Workers, o.MaxRows = 2, 128
	core := startCore(t, o, file)
	prompt := make([]int32, 250)
	for i := range prompt {
		prompt[i] = int32(i * i % 500)
	}
	events, err := core.Engine.Submit(t.Context(), &engine.Request{Prompt: prompt, MaxTokens: 5, IgnoreEOS: true, Logprobs: 5, PromptLogprobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	for ev := range events {
		if ev.Err != nil {
			t.Fatal(ev.Err)
		}
		ev.At = time.Time{} // no part of the answer
		all = append(all, ev)
	}
	return all
}

func document(t *testing.T, file string) *placement.Document {
	t.Helper()
	var doc placement.Document
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &doc
}

func counter(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.Metric[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
