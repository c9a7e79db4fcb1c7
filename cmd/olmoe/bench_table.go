package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/olmoe-serving/olmoe-operator/internal/bench"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// benchTable prints results row by row, as they come.
type benchTable struct {
	out    io.Writer
	silent bool
}

func (t *benchTable) printf(format string, args ...any) {
	if !t.silent {
		_, _ = fmt.Fprintf(t.out, format, args...)
	}
}

func limitsText(l bench.Limits) string {
	return fmt.Sprintf("reads %.1f GB/s (in streams %.1f), float32 %.0f GFLOP/s, int8 %.0f Gop/s", l.Read/1e9, l.Streams/1e9, l.F32/1e9, l.Int8/1e9)
}

func (t *benchTable) begin(l bench.Limits) {
	t.printf("this machine now: %s; kernels: %s\n\n", limitsText(l), kernels.Name())
	t.printf("%-9s %-7s %5s %5s %7s %7s %9s %9s %8s %5s %11s %5s %12s\n",
		"WORK", "WEIGHTS", "NODES", "BATCH", "TOKENS", "CONTEXT", "TOKENS/S", "P50 MS", "OF LIMIT", "ASKED", "OF 1 PROC.", "ASKED", "ALLOCS/TOKEN")
}

func (t *benchTable) row(r bench.Result) {
	t.printf("%-9s %-7s %5d %5d %7d %7d %9.1f %9.2f %8.2f %5s %11s %5s %12s\n", r.Name, r.Weights, r.Nodes, r.Batch, r.Tokens, r.Context,
		r.TokensPerSecond, 1e3*r.SecondsP50, r.FractionOfLimit, asked(r.AskedOfLimit(), 2),
		number(r.OfOneProcess > 0, r.OfOneProcess, 3), asked(r.AskedOfOneProcess(), 2), number(r.Name == "decode", r.AllocationsPerToken, 0))
}

// asked is a dash where nothing is.
func asked(v float64, digits int) string { return number(v > 0, v, digits) }

// number is a dash for what was not measured.
func number(measured bool, v float64, digits int) string {
	if !measured {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

func (t *benchTable) end(r *bench.Report) {
	t.printf("\nlimits during the runs, medians: %s\n", limitsText(r.Limits))
	t.way(r)
	t.starts(r.Starts)
}

// way is what the way to the experts costs, and bit-identity on it.
func (t *benchTable) way(r *bench.Report) {
	if len(r.Wire) > 0 {
		t.printf("\n%-6s %12s %12s %9s %9s %5s %7s\n", "ROWS", "DISPATCH µs", "UNARY µs", "TCP µs", "OF UNARY", "ASKED", "OF TCP")
	}
	for _, w := range r.Wire {
		t.printf("%-6d %12.0f %12.0f %9.0f %9.2f %5s %7.2f\n", w.Rows, 1e6*w.Dispatch, 1e6*w.Unary, 1e6*w.TCP, w.Dispatch/w.Unary,
			asked(bench.AskedOfUnary, 2), w.Dispatch/w.TCP)
	}
	if len(r.Identity) > 0 {
		t.printf("\ncost of bit-identity, of a layer:\n%-6s %5s %12s %12s %9s %5s\n", "ROWS", "NODES", "OUTPUTS µs", "SUMS µs", "OF STEP", "ASKED")
	}
	for _, i := range r.Identity {
		t.printf("%-6d %5d %12.0f %12.0f %9s %5s\n", i.Batch, i.Nodes, 1e6*i.Outputs, 1e6*i.Sums, number(i.OfStep != 0, i.OfStep, 3), asked(bench.AskedIdentity, 2))
	}
}

func (t *benchTable) starts(all []bench.Start) {
	if len(all) > 0 {
		t.printf("\n%-6s %-7s %5s %9s %7s %9s %10s %5s\n", "START", "WEIGHTS", "NODES", "SECONDS", "GB", "READING", "OF READING", "ASKED")
	}
	for _, s := range all {
		t.printf("%-6s %-7s %5d %9.2f %7.2f %9.2f %10.2f %5s\n", s.Kind, s.Weights, s.Nodes, s.Seconds, float64(s.ReadBytes)/1e9, s.ReadSeconds, s.OfReading, asked(s.Asked(), 1))
	}
}
