package main

import (
	"fmt"
	"io"

	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

// comparison is all policies in one day of one pool.
type comparison struct {
	trace    *poolsim.Trace
	peak     int
	policies []*poolsim.Tuned // the first one is ours
}

// compare tunes every policy to the same latency.
func (o *options) compare(name string, peak int, texts []poolsim.Text) (*comparison, error) {
	trace, err := poolsim.NewTrace(name, texts, o.seed)
	if err != nil {
		return nil, err
	}
	sim, err := o.simulator(trace, peak)
	if err != nil {
		return nil, err
	}
	c := &comparison{trace: trace, peak: peak}
	for _, ladder := range poolsim.Ladders(sim.MinNodes(), peakFactor*peak, o.bound.Seconds()) {
		var tuned []*poolsim.Tuned
		for _, candidate := range ladder {
			t, err := sim.Tune(candidate)
			if err != nil {
				return nil, err
			}
			tuned = append(tuned, t)
		}
		c.policies = append(c.policies, poolsim.Best(tuned...))
	}
	return c, nil
}

func (o *options) simulator(trace *poolsim.Trace, peak int) (*poolsim.Simulator, error) {
	service := poolsim.DefaultService()
	service.Rows = o.rows
	return poolsim.New(poolsim.Config{Trace: trace, Peak: peak, SlotsPerNode: o.slotsFor(peak), Service: service,
		Times: poolsim.DefaultTimes(), Bound: o.bound.Seconds(), Seed: o.seed})
}

// slotsFor a node of a pool of so many.
func (o *options) slotsFor(peak int) int {
	if o.slots > 0 {
		return o.slots
	}
	return min(poolsim.Experts, max(1, 4*poolsim.Experts/peak))
}

// print writes the table.
func (c *comparison) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s, %d nodes at the regular peak\n", c.trace.Name, c.peak)
	fmt.Fprintf(out, "%-34s %15s %10s %8s %9s %6s %6s %9s\n", "policy", "target", "node-hours", "ours is", "p99 ms", "late %", "most", "changes")
	ours := c.policies[0].NodeHours
	for _, p := range c.policies {
		note := ""
		if !p.Kept {
			note = "  no target keeps the bound"
		}
		fmt.Fprintf(out, "%-34s %15s %10.0f %+7.0f%% %9.2f %6.2f %6d %9d%s\n", p.Name, p.Target, p.NodeHours, 100*(ours/p.NodeHours-1),
			1e3*p.P99, 100*p.Late, p.Most, p.Steps, note)
	}
}
