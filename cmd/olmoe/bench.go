package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/bench"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

func newBenchCommand() *cobra.Command {
	var f localFlags
	var asJSON bool
	var runs int
	cmd := &cobra.Command{
		Use:   "bench --model DIR",
		Short: "Measure decode, prefill and dispatch, each as a fraction of what this machine allows",
		Long: `Measure a router and expert nodes as separate processes on this machine, through
the HTTP API: decode at batch 1, 4, 16 and 32, prefill of 128 and 512 tokens, and
the round trip to the experts. Memory bandwidth and peak arithmetic are measured
first; each result is given as a fraction of the limit that they set.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runs < 1 {
				return fmt.Errorf("%w: --runs must be at least 1", errFlags)
			}
			return runBench(cmd, &f, runs, asJSON)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&runs, "runs", 5, "runs of each measurement; the median counts")
	return cmd
}

func runBench(cmd *cobra.Command, f *localFlags, runs int, asJSON bool) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	threads := kernels.NewPool(kernels.Threads(f.Workers))
	limits := bench.Measure(threads)
	threads.Close()
	pool, err := f.startPool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	defer pool.Wait()
	defer cancel()
	url, err := startRouter(ctx, pool, "127.0.0.1:0")
	if err != nil {
		return interrupted(cmd.Context(), err)
	}
	ck, err := checkpoint.OpenAs(f.Model, checkpoint.Weights(f.Weights))
	if err != nil {
		return err
	}
	defer func() { _ = ck.Close() }()
	d := dispatch.New(dispatch.Options{
		Name: "bench", Model: ck.Fingerprint(), Layers: ck.Config().NumLayers, Experts: ck.Config().NumExperts,
		Hidden: ck.Config().HiddenSize, Log: logr.Discard(),
	})
	defer d.Close()
	d.Apply(pool.Document)
	out := cmd.OutOrStdout()
	report, err := bench.Run(ctx, bench.Options{
		URL: url, Nodes: metricsURLs(pool.Nodes), Checkpoint: ck, Dispatcher: d,
		Limits: limits, Weights: f.Weights, Runs: runs, Progress: progress(out, limits, asJSON),
	})
	if err != nil || !asJSON {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

func metricsURLs(nodes []local.Announcement) []string {
	var urls []string
	for _, n := range nodes {
		urls = append(urls, "http://"+n.HTTP)
	}
	return urls
}

// progress prints the table row by row, as it comes.
func progress(w io.Writer, l bench.Limits, quiet bool) func(bench.Result) {
	if quiet {
		return func(bench.Result) {}
	}
	_, _ = fmt.Fprintf(w, "this machine: reads %.1f GB/s, float32 %.0f GFLOP/s, int8 %.0f Gop/s; kernels: %s\n\n", l.Read/1e9, l.F32/1e9, l.Int8/1e9, kernels.Name())
	_, _ = fmt.Fprintf(w, "%-9s %-8s %6s %7s %12s %10s %9s\n", "WORK", "WEIGHTS", "BATCH", "TOKENS", "TOKENS/S", "P50 MS", "OF LIMIT")
	return func(r bench.Result) {
		_, _ = fmt.Fprintf(w, "%-9s %-8s %6d %7d %12.1f %10.2f %9.2f\n", r.Name, r.Weights, r.Batch, r.Tokens, r.TokensPerSecond, 1e3*r.SecondsP50, r.FractionOfLimit)
	}
}
