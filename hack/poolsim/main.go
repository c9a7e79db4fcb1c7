// Command poolsim compares ways to choose the number of expert nodes, at equal
// latency, in simulated days of pools of 64 to 1,000 nodes (package poolsim). It
// prints a table and, with -out, draws the plots of docs/scaling.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "poolsim:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	counts, out   string
	sizes, traces []string
	slots, rows   int
	bound         time.Duration
	seed          uint64
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("poolsim", flag.ContinueOnError)
	f.StringVar(&o.counts, "counts", "", "JSON `file` {kind of text: {layer: [choices of each expert]}}; without it, made-up kinds")
	f.StringVar(&o.out, "out", "", "`folder` for plots; without it, none are drawn")
	sizes := f.String("sizes", "64,256,1000", "nodes at the regular peak")
	traces := f.String("traces", strings.Join(poolsim.TraceNames, ","), "days to play")
	f.IntVar(&o.slots, "slots", 0, "experts of a layer on a node (default: so many that a quarter of the nodes can hold all)")
	f.DurationVar(&o.bound, "bound", 15*time.Millisecond, "response of the busiest node, for a layer, that 99 % of tokens shall have")
	f.IntVar(&o.rows, "rows", poolsim.DefaultService().Rows, "tokens of a router's step")
	f.Uint64Var(&o.seed, "seed", 1, "of all that is random")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.sizes, o.traces = strings.Split(*sizes, ","), strings.Split(*traces, ",")
	return o, nil
}

func run(args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	texts, err := o.texts()
	if err != nil {
		return err
	}
	var all []comparison
	for _, size := range o.sizes {
		peak, err := strconv.Atoi(size)
		if err != nil || peak < 1 || peak > poolsim.MaxNodes/peakFactor {
			return fmt.Errorf("-sizes: %q is not a number of nodes from 1 to %d", size, poolsim.MaxNodes/peakFactor)
		}
		for _, name := range o.traces {
			c, err := o.compare(name, peak, texts)
			if err != nil {
				return err
			}
			c.print(out)
			all = append(all, *c)
		}
	}
	if o.out == "" {
		return nil
	}
	return draw(o.out, all, o)
}

func (o *options) texts() ([]poolsim.Text, error) {
	if o.counts == "" {
		const kinds = 8 // as many as were measured
		return poolsim.ZipfTexts(kinds, o.seed), nil
	}
	f, err := os.Open(o.counts) //nolint:gosec // the user says which file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	texts, err := poolsim.ReadTexts(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.counts, err)
	}
	return texts, nil
}

// peakFactor is how many times the pool's nominal size a policy may take.
const peakFactor = 3
