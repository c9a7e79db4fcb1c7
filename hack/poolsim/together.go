package main

import (
	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

// together is all days of a pool, and the policies with one setting for all of them.
type together struct {
	Pool     setup
	Setups   []setup
	Policies []*poolsim.Tuned // in the order of poolsim.Ladders; nil where there is but one day
	days     []*comparison
}

// group puts days of one pool together, in the order in which they come.
func group(setups []setup) (out []*together) {
	by := map[setup]*together{}
	for _, s := range setups {
		t := by[s.pool()]
		if t == nil {
			t = &together{Pool: s.pool()}
			by[s.pool()] = t
			out = append(out, t)
		}
		t.Setups = append(t.Setups, s)
	}
	return out
}

// play compares the policies on each day and on all of them.
func (t *together) play(texts []poolsim.Text, seed uint64) error {
	for _, s := range t.Setups {
		c, err := compare(s, texts, seed, t.days)
		if err != nil {
			return err
		}
		t.days = append(t.days, c)
	}
	if len(t.days) > 1 {
		if err := t.tune(); err != nil {
			return err
		}
	}
	for _, c := range t.days {
		c.sim = nil // its plans take room
		c.thin()
	}
	for _, p := range t.Policies {
		dropSeries(p)
	}
	return nil
}

// thin leaves out what is not drawn.
func (c *comparison) thin() {
	if c.drawn() {
		return
	}
	for _, p := range append(c.Policies, c.Ahead) {
		dropSeries(p)
	}
}

func dropSeries(p *poolsim.Tuned) {
	for _, r := range p.Days {
		r.Nodes, r.Response = nil, nil
	}
}

func (t *together) tune() error {
	var sims []*poolsim.Simulator
	for _, c := range t.days {
		sims = append(sims, c.sim)
	}
	for _, ladder := range t.days[0].ladders() {
		tuned, err := poolsim.TuneAll(ladder, sims...)
		if err != nil {
			return err
		}
		t.Policies = append(t.Policies, tuned)
	}
	return nil
}
