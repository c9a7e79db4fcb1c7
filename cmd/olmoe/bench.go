package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/bench"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// maxRuns bounds --runs and --starts: days of them.
const maxRuns = 10000

// benchFlags are those of "olmoe bench".
type benchFlags struct {
	localFlags
	runs   int
	starts int
	asJSON bool
	whole  bool // compare with one process
	work   bench.Work
	plots  string
}

func newBenchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench --model DIR",
		Short: "Measure decode, prefill and dispatch, each as a fraction of what this machine allows",
		Long: `Measure a router and expert nodes as separate processes on this machine, through
the HTTP API: decode, prefill, and the round trip to the experts. Memory bandwidth
and peak arithmetic are measured between the runs; each result is given as a
fraction of the limit that they set at the time. A process that does all of it alone
takes turns with them: what being split costs. Then the way to the experts alone, without computing, for the
rows of --dispatch, next to a grpc-go unary call and bare TCP with the same bytes, and
what it costs that nodes send each expert's output, not sums. ASKED is the project's own
goal for the full-size model on two expert nodes.

With --starts also starts from the disk, against reading the same files. Weights in 8
bits are kept in a folder of the start's own in that of --weights-cache (default: the
model's), and removed.

With --plots also decode by context (to 4096) and by number of expert nodes (1, 2,
4, 8), drawn as SVG.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(inRange("--runs", f.runs, 1, maxRuns), inRange("--starts", f.starts, 0, maxRuns), f.sizes()); err != nil {
				return err
			}
			return cutShort(cmd.Context(), runBench(cmd, &f))
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&f.runs, "runs", 5, "runs of each measurement; the median counts")
	all := bench.AllWork()
	cmd.Flags().IntSliceVar(&f.work.Decode, "decode", all.Decode, "numbers of sequences that generate at once, separated by commas; 0: none")
	cmd.Flags().IntSliceVar(&f.work.Prefill, "prefill", all.Prefill, "numbers of tokens of a prompt; 0: none")
	cmd.Flags().IntSliceVar(&f.work.Dispatch, "dispatch", all.Dispatch, "numbers of rows sent to the experts; 0: none")
	cmd.Flags().IntVar(&f.starts, "starts", 0, "starts with files that are not in the page cache, of each kind; 0: none")
	cmd.Flags().BoolVar(&f.whole, "one-process", true, "compare with one process that does all; needs as much memory again")
	cmd.Flags().StringVar(&f.plots, "plots", "", "folder for plots of the cost by batch, context and expert nodes; takes several times as long")
	return cmd
}

// sizes refuses work that cannot be done, and drops what is 0. A router takes no more
// sequences at once, and others would wait while they are measured; a frame no more rows.
func (f *benchFlags) sizes() error {
	for _, w := range [...]struct {
		flag string
		list *[]int
		most int
	}{
		{"--decode", &f.work.Decode, defaultMaxSequences}, {"--prefill", &f.work.Prefill, wire.MaxRows}, {"--dispatch", &f.work.Dispatch, wire.MaxRows},
	} {
		for _, n := range *w.list {
			if err := inRange(w.flag, n, 0, w.most); err != nil {
				return err
			}
		}
		*w.list = slices.DeleteFunc(*w.list, func(n int) bool { return n == 0 })
	}
	return nil
}

func runBench(cmd *cobra.Command, f *benchFlags) error {
	config, err := f.check()
	if err != nil {
		return err
	}
	if err := f.makePlotsFolder(); err != nil {
		return err
	}
	threads := kernels.NewPool(kernels.Threads(f.Workers))
	defer threads.Close()
	table := &benchTable{out: cmd.OutOrStdout(), silent: f.asJSON}
	limits := func() bench.Limits { return bench.Measure(threads) }
	table.begin(limits())
	var report *bench.Report
	err = deployed(cmd.Context(), f, f.ExpertNodes, f.whole, func(ctx context.Context, o bench.Options) (err error) {
		o.Limits, o.Progress, o.Work = limits, table.row, f.work
		if report, err = bench.Run(ctx, o); err == nil && f.plots != "" {
			report.Contexts, err = bench.Contexts(ctx, o)
		}
		return err
	})
	if err != nil {
		return err
	}
	if f.plots != "" {
		for _, n := range []int{1, 2, 4, 8} {
			err := deployed(cmd.Context(), f, n, false, func(ctx context.Context, o bench.Options) error {
				o.Limits, o.Progress = limits, table.row
				results, err := bench.Nodes(ctx, o)
				report.Nodes = append(report.Nodes, results...)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	if err := f.measureWay(cmd.Context(), config, report); err != nil {
		return err
	}
	if f.starts > 0 {
		if report.Starts, err = f.measureStarts(cmd.Context(), config); err != nil {
			return err
		}
	}
	if err := f.print(table, report); err != nil || f.plots == "" {
		return err
	}
	return bench.Plots(f.plots, report) // what is wrong with the folder by now takes no results away
}

// measureWay measures the way to the experts alone.
func (f *benchFlags) measureWay(ctx context.Context, config *checkpoint.Config, report *bench.Report) error {
	shape := bench.Shape{Layers: config.NumLayers, Hidden: config.HiddenSize, Active: config.NumExpertsPerTok, Nodes: f.ExpertNodes}
	_, shape.Outputs = wire.FormatsOf(checkpoint.Weights(f.Weights))
	for _, rows := range f.work.Dispatch {
		w, err := bench.MeasureWire(ctx, dialBench, rows)
		if err != nil {
			return err
		}
		id, err := bench.MeasureIdentity(ctx, dialBench, shape, rows, report)
		if err != nil {
			return err
		}
		report.Wire, report.Identity = append(report.Wire, w), append(report.Identity, id)
	}
	return nil
}

// makePlotsFolder finds out before anything is measured whether plots have a place.
func (f *benchFlags) makePlotsFolder() error {
	if f.plots == "" {
		return nil
	}
	if err := os.MkdirAll(f.plots, 0o755); err != nil { //nolint:gosec // plots are for everybody
		return fmt.Errorf("%w: --plots: %w", errFlags, err)
	}
	return nil
}

// print ends the table, or prints all as JSON.
func (f *benchFlags) print(table *benchTable, report *bench.Report) error {
	table.end(report)
	if !f.asJSON {
		return nil
	}
	e := json.NewEncoder(table.out)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

// deployed runs a router and so many expert nodes, and next to them one process that
// does all if that is wanted, while it measures.
func deployed(ctx context.Context, f *benchFlags, nodes int, whole bool, measure func(context.Context, bench.Options) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	flags := f.localFlags
	flags.ExpertNodes, flags.Replicas = nodes, min(f.Replicas, nodes)
	pool, err := flags.startPool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	defer pool.Wait()
	defer cancel()
	o := bench.Options{Nodes: metricsURLs(pool.Nodes), Weights: f.Weights, Runs: f.runs}
	if o.URL, err = startRouter(ctx, pool, "router", "127.0.0.1:0"); err != nil {
		return err
	}
	if whole {
		if o.OneProcess, err = startRouter(ctx, pool, "one-process", "127.0.0.1:0", "--one-process"); err != nil {
			return err
		}
	}
	ck, err := checkpoint.OpenAs(f.Model, checkpoint.Weights(f.Weights))
	if err != nil {
		return err
	}
	defer func() { _ = ck.Close() }()
	doc := *pool.Document
	doc.Model = ck.Fingerprint()
	rows, _ := wire.FormatsOf(ck.Weights())
	d := dialAs(&doc, ck.Config().HiddenSize, rows)
	defer d.Close()
	o.Checkpoint, o.Dispatcher = ck, d
	return pool.While(ctx, func(ctx context.Context) error { return measure(ctx, o) })
}

// dialBench makes the router's way to experts that lie as doc says and take rows as they are.
func dialBench(doc *placement.Document, hidden int) bench.Dispatcher {
	return dialAs(doc, hidden, wire.Float32)
}

func dialAs(doc *placement.Document, hidden int, rows wire.Format) bench.Dispatcher {
	d := dispatch.New(dispatch.Options{
		Name: "bench", Model: doc.Model, Layers: doc.Serving.Layers, Experts: doc.Serving.Experts, Hidden: hidden, Rows: rows, Log: logr.Discard(),
	})
	d.Apply(doc)
	return d
}

func metricsURLs(nodes []local.Announcement) []string {
	var urls []string
	for _, n := range nodes {
		urls = append(urls, "http://"+n.HTTP)
	}
	return urls
}
