package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/load/screen"
)

// minTopInterval between two looks: each makes the router ask every expert node.
const minTopInterval = 200 * time.Millisecond

type topFlags struct {
	url              string
	window, interval time.Duration
	once, json       bool
	layer            int
}

func newTopCommand() *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show the load of expert nodes and experts, live",
		Long: `Show the load of expert nodes and experts, live, as a router sees it; an
interrupt ends it. One expert node's HTTP address works as well. In a cluster:

  kubectl exec -it deploy/NAME-router -- olmoe top

Where the router has an API key, it is read from the environment: OLMOE_API_KEY.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return interrupted(cmd.Context(), f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.url, "url", "http://127.0.0.1:8000", "address of a router, or of an expert node's --http")
	fs.DurationVar(&f.window, "window", load.DefaultWindow, "how much of the past is added up: 1s to 2m")
	fs.DurationVar(&f.interval, "interval", 2*time.Second, "time between two looks, at least 200ms")
	fs.BoolVar(&f.once, "once", false, "print it once and exit")
	fs.IntVar(&f.layer, "layer", -1, "show one layer in detail, by its number from 0 (-1: all layers)")
	fs.BoolVar(&f.json, "json", false, "print JSON, a line for each look that is answered")
	return cmd
}

func (f *topFlags) check() error {
	switch {
	case f.window < load.MinWindow || f.window > load.MaxWindow:
		return fmt.Errorf("%w: --window %s: give %s to %s", errFlags, f.window, load.MinWindow, load.MaxWindow)
	case f.interval < minTopInterval:
		return fmt.Errorf("%w: --interval %s: give at least %s", errFlags, f.interval, minTopInterval)
	case f.layer < -1:
		return fmt.Errorf("%w: --layer %d: give a layer's number, from 0", errFlags, f.layer)
	}
	if u, err := url.Parse(f.url); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%w: --url %s: give a router's address, such as http://127.0.0.1:8000", errFlags, f.url)
	}
	return nil
}

// run looks until ctx ends. The first look must succeed; later ones may fail, for
// a router that is restarted is looked at again.
func (f *topFlags) run(ctx context.Context, out, problems io.Writer) error {
	c := topClient{url: f.url, window: f.window, key: os.Getenv("OLMOE_API_KEY")}
	report, err := c.fetch(ctx)
	if err != nil {
		return err
	}
	t := newTerminal(out)
	if f.once || f.json {
		t.live = false
	}
	defer t.restore()
	for {
		if err := f.show(t, problems, report, err); err != nil || f.once {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.interval):
		}
		latest, failure := c.fetch(ctx)
		if err = failure; err == nil {
			report = latest
		}
	}
}

// show prints a report, and why there is no newer one. Whoever reads JSON gets each report
// once, and the reason beside it.
func (f *topFlags) show(t *terminal, problems io.Writer, r *load.Report, failure error) error {
	switch {
	case f.json && failure != nil:
		_, err := fmt.Fprintln(problems, "not current:", failure)
		return err
	case f.json:
		return json.NewEncoder(t.out).Encode(r)
	}
	width, height := t.size()
	lines := screen.Render(r, screen.Options{Source: f.url, Width: width, Height: height, Colour: t.colour, Layer: f.layer})
	if failure != nil {
		lines[0] = screen.Warning("not current: "+failure.Error(), width, t.colour)
	}
	return t.draw(lines)
}
