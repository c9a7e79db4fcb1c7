package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/bench"
)

// TestPlotsFolder: one that cannot be made is told before anything is measured.
func TestPlotsFolder(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt() // of a bench that goes on
	cmd := newBenchCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--model", tiny(t), "--plots", "/dev/null/plots"})
	if err := cmd.ExecuteContext(ctx); !errors.Is(err, errFlags) || !strings.Contains(err.Error(), "--plots: mkdir /dev/null") {
		t.Errorf("%v", err)
	}
}

// TestBenchRefusesNumbers: in the words of other flags.
func TestBenchRefusesNumbers(t *testing.T) {
	for args, want := range map[string]string{
		"--runs 0": "bad flags: --runs 0: give 1 to 10000", "--runs 10001": "bad flags: --runs 10001: give 1 to 10000",
		"--starts -1": "bad flags: --starts -1: give 0 to 10000", "--decode 65": "bad flags: --decode 65: give 0 to 64",
	} {
		cmd := newBenchCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); !errors.Is(err, errFlags) || err.Error() != want {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
}

// TestBenchTable: each number stands under its heading, and what costs are compared with is
// what is divided by.
func TestBenchTable(t *testing.T) {
	var out bytes.Buffer
	table := &benchTable{out: &out}
	table.begin(bench.Limits{})
	table.row(bench.Result{Name: "decode", Weights: "bf16", Nodes: 2, Batch: 4, Tokens: 32, Context: 128,
		TokensPerSecond: 10, SecondsP50: 0.25, FractionOfLimit: 0.5, OfOneProcess: 0.75, AllocationsPerToken: 3})
	table.row(bench.Result{Name: "prefill", AllocationsPerToken: 3})
	table.row(bench.Result{Name: "decode", Weights: "int8", Nodes: 2, Batch: 32, Tokens: 32, Context: 8})
	table.end(&bench.Report{
		Wire:     []bench.Wire{{Rows: 32, Dispatch: 400e-6, Unary: 200e-6, TCP: 100e-6}},
		Identity: []bench.Identity{{Batch: 32, Nodes: 2, Outputs: 300e-6, Sums: 100e-6, OfStep: 0.025}, {Batch: 1, Nodes: 2}},
		Starts: []bench.Start{{Kind: "made", Weights: "int8", Nodes: 2, Seconds: 13, ReadBytes: 14e9, ReadSeconds: 10, OfReading: 1.25},
			{Kind: "stored", Weights: "bf16"}},
	})
	for _, want := range []string{
		"WORK WEIGHTS NODES BATCH TOKENS CONTEXT TOKENS/S P50 MS OF LIMIT ASKED OF 1 PROC. ASKED ALLOCS/TOKEN", "decode bf16 2 4 32 128 10.0 250.00 0.50 - 0.750 - 3",
		"prefill 0 0 0 0 0.0 0.00 0.00 - - - -", "decode int8 2 32 32 8 0.0 0.00 0.00 0.60 - 0.96 0",
		"ROWS DISPATCH µs UNARY µs TCP µs OF UNARY ASKED OF TCP 32 400 200 100 2.00 0.60 4.00",
		"ROWS NODES OUTPUTS µs SUMS µs OF STEP ASKED 32 2 300 100 0.025 0.05 1 2 0 0 - 0.05",
		"START WEIGHTS NODES SECONDS GB READING OF READING ASKED made int8 2 13.00 14.00 10.00 1.25 1.3 stored bf16 0 0.00 0.00 0.00 0.00 -",
	} {
		if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	before := out.Len()
	table.silent = true
	if table.end(&bench.Report{}); out.Len() != before {
		t.Error("a table is printed beside JSON")
	}
}
