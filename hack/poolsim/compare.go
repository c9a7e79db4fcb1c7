package main

import (
	"fmt"
	"io"

	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

// comparison is all policies in one day of one pool.
type comparison struct {
	Setup    setup
	Least    float64          // node-hours that no policy can do without
	Policies []*poolsim.Tuned // in the order of poolsim.Ladders; the first one is ours
	Ahead    *poolsim.Tuned   // the policy that knows the day
	sim      *poolsim.Simulator
}

// compare tunes every policy to the same latency. Plans are shared with earlier days.
func compare(s setup, texts []poolsim.Text, seed uint64, earlier []*comparison) (*comparison, error) {
	trace, err := s.trace(texts, seed)
	if err != nil {
		return nil, err
	}
	sim, err := poolsim.New(poolsim.Config{Trace: trace, Peak: s.Peak, SlotsPerNode: s.slots(), Service: s.service(),
		Times: poolsim.DefaultTimes(), Bound: s.Bound.Seconds(), Seed: seed})
	if err != nil {
		return nil, err
	}
	for _, e := range earlier {
		sim.Share(e.sim)
	}
	c := &comparison{Setup: s, sim: sim}
	for _, ladder := range c.ladders() {
		t, err := poolsim.TuneAll(ladder, sim)
		if err != nil {
			return nil, err
		}
		c.Policies = append(c.Policies, t)
	}
	return c, c.foresee()
}

func (c *comparison) ladders() []poolsim.Ladder {
	return poolsim.Ladders(c.sim.MinNodes(), peakFactor*c.Setup.Peak, c.Setup.Bound.Seconds())
}

// foresee adds what would be possible.
func (c *comparison) foresee() error {
	need, err := c.sim.Needs()
	if err != nil {
		return err
	}
	c.Least = c.sim.Least(need)
	c.Ahead, err = poolsim.TuneAll(c.sim.InSteps(need), c.sim)
	return err
}

func (c *comparison) ours() *poolsim.Tuned { return c.Policies[poolsim.ExpertLoad] }

// print writes the table of the day, for people at a terminal.
func (c *comparison) print(out io.Writer) {
	fmt.Fprintf(out, "\n%v\n", c.Setup)
	fmt.Fprintf(out, "%-29s %24s %10s %8s %9s %6s %6s %9s\n", "policy", "target", "node-hours", "ours is", "p99 ms", "late %", "most", "changes")
	ours := c.ours().NodeHours()
	for _, p := range append([]*poolsim.Tuned{c.Ahead}, c.Policies...) {
		note := ""
		if !p.Kept {
			note = "  breaks the bound"
		}
		r := p.Days[0]
		fmt.Fprintf(out, "%-29s %24s %10.0f %+7.0f%% %9.2f %6.2f %6d %9d%s\n", p.Name, p.Target, r.NodeHours, 100*(ours/r.NodeHours-1),
			1e3*r.P99, 100*r.Late, r.Most, r.Steps, note)
	}
	fmt.Fprintf(out, "%-29s %24s %10.0f %+7.0f%%\n", "no policy can do with less", "", c.Least, 100*(ours/c.Least-1))
}
