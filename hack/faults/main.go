// Command faults measures what clients notice when expert nodes die, freeze or get slow, and
// when experts move: it runs "olmoe up", keeps streams going whose every token is
// known, does something, and prints the longest gaps between tokens as a table.
//
//	go run ./hack/faults --program bin/olmoe --model DIR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

type options struct {
	program, model string
	nodes, clients int
	trials         int
	kinds          string
	watch          time.Duration // after each fault
}

func main() {
	var o options
	flag.StringVar(&o.program, "program", "bin/olmoe", "the olmoe binary")
	flag.StringVar(&o.model, "model", "", "directory of the checkpoint")
	flag.IntVar(&o.nodes, "expert-nodes", 3, "expert-node processes")
	flag.IntVar(&o.clients, "clients", 4, "streams at a time")
	flag.IntVar(&o.trials, "trials", 10, "of each kind")
	flag.StringVar(&o.kinds, "kinds", "none,kill,freeze,slow,move,only-owner", "what to do")
	flag.DurationVar(&o.watch, "watch", 3*time.Second, "how long to look after each fault")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// run prints a row for each kind. It fails if a request failed or an answer changed, or if
// streams stood still though there was another owner.
func run(ctx context.Context, o *options) error {
	fmt.Println("| fault | owners | trials | requests | failed | changed | gap p50, quiet and during | gap p99 | longest gap, median and worst trial | tokens/s |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	bad, stalled := 0, []string(nil)
	for _, kind := range strings.Split(o.kinds, ",") {
		owners := 2
		if kind == "only-owner" {
			owners = 1
		}
		r, err := measure(ctx, o, kind, owners)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		fmt.Printf("| %s | %d | %d | %d | %d | %d | %s, %s | %s, %s | %s, %s | %.0f, %.0f |\n", kind, owners, len(r.longest), r.answers, len(r.failed), r.changed,
			r.quiet.at(50), r.during.at(50), r.quiet.at(99), r.during.at(99), ms(r.longest[len(r.longest)/2]), ms(r.longest[len(r.longest)-1]),
			r.quiet.perSecond(), r.during.perSecond())
		for _, f := range r.failed {
			fmt.Fprintln(os.Stderr, kind+":", f)
		}
		bad += len(r.failed) + r.changed
		if limit := r.limit(); owners > 1 && r.longest[len(r.longest)/2] > limit {
			stalled = append(stalled, fmt.Sprintf("%s: in every second trial streams stood still for more than %s", kind, ms(limit)))
		}
	}
	switch {
	case bad > 0:
		return fmt.Errorf("%d requests failed or were answered otherwise", bad)
	case len(stalled) > 0:
		return errors.New(strings.Join(stalled, "; "))
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// result is what a kind of fault did.
type result struct {
	answers, changed int
	failed           []string
	quiet, during    sample
	longest          []time.Duration // of each trial, ascending
}

// stallLeast and stallTimes bound the longest gap of the middle trial by the quiet gaps of
// the same run: what is late is hedged after twice the 95th percentile or ten medians, and
// with 12 busy loops beside the middle trial's was 64 ms where the 99th percentile was 63.
const stallLeast, stallTimes = 200 * time.Millisecond, 10

func (r *result) limit() time.Duration { return stallLeast + stallTimes*r.quiet.percentile(99) }

// sample is gaps between tokens in some stretch of time.
type sample struct {
	gaps []time.Duration
	over time.Duration
}

func (s *sample) add(gaps []time.Duration, over time.Duration) {
	s.gaps, s.over = append(s.gaps, gaps...), s.over+over
}

func (s *sample) percentile(percent int) time.Duration {
	slices.Sort(s.gaps)
	return s.gaps[len(s.gaps)*percent/100]
}

func (s *sample) at(percent int) string { return ms(s.percentile(percent)) }

func (s *sample) perSecond() float64 { return float64(len(s.gaps)) / s.over.Seconds() }

func measure(ctx context.Context, o *options, kind string, owners int) (*result, error) {
	d, err := start(ctx, o, owners)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	l, err := startLoad(ctx, d.url, o.clients)
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Second) // the first steps, and what routers learn in them
	l.gaps()
	r := &result{}
	for trial := range o.trials {
		begun := time.Now()
		time.Sleep(o.watch)
		r.quiet.add(l.gaps(), time.Since(begun))
		begun = time.Now()
		undo, err := d.do(kind, trial, o.watch)
		if err != nil {
			return nil, err
		}
		time.Sleep(o.watch)
		gaps := append(l.gaps(), l.open()...)
		r.during.add(gaps, time.Since(begun))
		if err := undo(); err != nil {
			return nil, err
		}
		if len(gaps) == 0 {
			return nil, fmt.Errorf("no token in %s", o.watch)
		}
		r.longest = append(r.longest, slices.Max(gaps))
		if err := d.settle(ctx); err != nil {
			return nil, err
		}
		l.gaps() // of the recovery: a stream may have waited for a node to load
	}
	l.finish(r)
	slices.Sort(r.longest)
	return r, nil
}
