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
	"runtime"
	"strings"

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
	counts, out, page, results string
	days                       []setup
	seed                       uint64
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("poolsim", flag.ContinueOnError)
	f.StringVar(&o.counts, "counts", "", "JSON `file` {kind of text: {layer: [choices of each expert]}}; without it, made-up kinds")
	f.StringVar(&o.out, "out", "", "`folder` for plots; without it, none are drawn")
	f.StringVar(&o.page, "page", "", "Markdown `file` whose tables are written anew (docs/scaling.md); without it, none")
	f.StringVar(&o.results, "results", "", "`file` that keeps results: tables and plots show those of earlier runs too, so that days can be played a few at a time")
	days := f.String("days", documented, "days to play, `TRACE:NODES[:WEIGHTS[:ROWS[:BOUND]]],...`: traffic (or a .csv file of it), nodes at its regular peak,"+
		" bf16 or int8, tokens of a router's step, and the response of the busiest node, for a layer, that 99 % of tokens shall have; empty: only what -results keeps")
	f.Uint64Var(&o.seed, "seed", 1, "of all that is random")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *days == "" {
		return o, nil // nothing but what is kept
	}
	for _, day := range strings.Split(*days, ",") {
		s, err := parseSetup(day)
		if err != nil {
			return o, err
		}
		o.days = append(o.days, s)
	}
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
	r, err := readResults(o.results)
	if err != nil {
		return err
	}
	if err := o.play(texts, r); err != nil {
		return err
	}
	r.print(out)
	if o.page != "" {
		if err := writePage(o.page, r); err != nil {
			return err
		}
	}
	if o.out == "" {
		return nil
	}
	return draw(o.out, r.Days)
}

// play plays the days of each pool, as many pools at once as there are processors.
func (o *options) play(texts []poolsim.Text, r *results) error {
	var running errgroup.Group
	running.SetLimit(runtime.GOMAXPROCS(0))
	for _, t := range group(o.days) {
		running.Go(func() error {
			if err := t.play(texts, o.seed); err != nil {
				return err
			}
			return r.add(t, o.results)
		})
	}
	return running.Wait()
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
