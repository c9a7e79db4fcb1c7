package bench

import "testing"

// TestAsked: a goal stands beside what it is for, and beside nothing else.
func TestAsked(t *testing.T) {
	decode := func(weights string, batch int) Result {
		return Result{Name: "decode", Weights: weights, Nodes: 2, Batch: batch, Tokens: decodeTokens, Context: decodePrompt}
	}
	prefill := func(weights string, tokens int) Result {
		return Result{Name: "prefill", Weights: weights, Nodes: 2, Batch: 1, Tokens: tokens}
	}
	more, nodes, longer := decode("int8", 1), decode("int8", 1), decode("int8", 1)
	more.Tokens, nodes.Nodes, longer.Context = 64, 4, 512
	for name, c := range map[string]struct {
		r              Result
		limit, process float64
	}{
		"alone":             {decode("int8", 1), 0.80, 0.90},
		"of a small model":  {more, 0.80, 0.90},
		"few":               {decode("int8", 4), 0, 0},
		"some":              {decode("int8", 8), 0, 0.96},
		"many":              {decode("int8", 32), 0.60, 0.96},
		"bf16":              {decode("bf16", 1), 0.85, 0.90},
		"many of bf16":      {decode("bf16", 32), 0, 0.96},
		"prefill":           {prefill("int8", 512), 0.50, 0},
		"short prefill":     {prefill("int8", 128), 0, 0},
		"prefill of bf16":   {prefill("bf16", 512), 0, 0},
		"more nodes":        {nodes, 0, 0},
		"after a long text": {longer, 0, 0},
		"dispatch":          {Result{Name: "dispatch", Weights: "int8", Nodes: 2, Batch: 1, Tokens: 1}, 0, 0},
	} {
		if limit, process := c.r.AskedOfLimit(), c.r.AskedOfOneProcess(); limit != c.limit || process != c.process {
			t.Errorf("%s: %g of the limit, %g of one process; want %g, %g", name, limit, process, c.limit, c.process)
		}
	}
	for kind, want := range map[string]float64{StartMade: 1.3, StartKept: 1.1, StartStored: 0} {
		if got := (&Start{Kind: kind}).Asked(); got != want {
			t.Errorf("start %s: %g, want %g", kind, got, want)
		}
	}
}
