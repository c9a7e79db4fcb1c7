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

	"golang.org/x/sync/errgroup"

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
	counts, out string
	days        []string // TRACE:NODES
	slots, rows int
	bound       time.Duration
	seed        uint64
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("poolsim", flag.ContinueOnError)
	f.StringVar(&o.counts, "counts", "", "JSON `file` {kind of text: {layer: [choices of each expert]}}; without it, made-up kinds")
	f.StringVar(&o.out, "out", "", "`folder` for plots; without it, none are drawn")
	days := f.String("days", defaultDays, "days to play, `TRACE:NODES,...`: traffic, and nodes at its regular peak")
	f.IntVar(&o.slots, "slots", 0, "experts of a layer on a node (default: so many that a quarter of the nodes can hold all)")
	f.DurationVar(&o.bound, "bound", 15*time.Millisecond, "response of the busiest node, for a layer, that 99 % of tokens shall have")
	f.IntVar(&o.rows, "rows", poolsim.DefaultService().Rows, "tokens of a router's step")
	f.Uint64Var(&o.seed, "seed", 1, "of all that is random")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.days = strings.Split(*days, ",")
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
	all, err := o.play(texts, out)
	if err != nil {
		return err
	}
	if o.out == "" {
		return nil
	}
	return draw(o.out, all, o)
}

// play compares the policies on each day, all days at once, and prints the tables
// in the order of the days.
func (o *options) play(texts []poolsim.Text, out io.Writer) ([]*comparison, error) {
	all := make([]*comparison, len(o.days))
	var days errgroup.Group
	for i, day := range o.days {
		name, size, _ := strings.Cut(day, ":")
		peak, err := strconv.Atoi(size)
		if err != nil || peak < 1 || peak > poolsim.MaxNodes/peakFactor {
			return nil, fmt.Errorf("-days: %q: the number of nodes after the colon must be 1 to %d", day, poolsim.MaxNodes/peakFactor)
		}
		days.Go(func() (err error) {
			all[i], err = o.compare(name, peak, texts)
			return err
		})
	}
	if err := days.Wait(); err != nil {
		return nil, err
	}
	for _, c := range all {
		c.print(out)
	}
	return all, nil
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

// defaultDays are those of docs/scaling.md.
const defaultDays = "diurnal:64,bursts:64,shift:64,all:64,diurnal:256,all:256,diurnal:1000"

// peakFactor is how many times the pool's nominal size a policy may take.
const peakFactor = 3
