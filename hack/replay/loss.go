package main

import (
	"context"
	"fmt"
	"time"
)

// losses kills one node of a pool where every expert has two owners, and compares
// the tokens per second with what is left of the capacity.
func losses(ctx context.Context, o *options, texts []text) error {
	left := float64(o.nodes-1) / float64(o.nodes)
	fmt.Printf("%d expert nodes of %.2f cores, 2 owners, steps of %d tokens; a node killed leaves %.4f of the capacity\n", o.nodes, o.cores, o.rows, left)
	fmt.Println("| text | killed | tokens/s before | router's choice | of what is left | placed anew | of what is left | longest step, before and at the kill |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	var chosen, placed []float64
	for i := o.first; i < o.first+o.trials; i++ {
		x := texts[i%len(texts)]
		l, err := lose(ctx, o, x, i%o.nodes)
		if err != nil {
			return err
		}
		chosen, placed = append(chosen, l.chosen/l.before/left), append(placed, l.placed/l.before/left)
		last := len(chosen) - 1
		fmt.Printf("| %s | %d | %.0f | %.0f | %.3f | %.0f | %.3f | %s, %s |\n", x.name, i%o.nodes, l.before, l.chosen, chosen[last], l.placed, placed[last],
			ms(l.quiet), ms(l.stall))
	}
	fmt.Printf("of the capacity that is left: router's choice %s, placed anew %s\n", spread(chosen, "%.3f"), spread(placed, "%.3f"))
	return nil
}

// loss is what the loss of a node did.
type loss struct {
	before, chosen, placed float64 // tokens/s: with the node; router's choice; with a new placement
	quiet, stall           time.Duration
}

func lose(ctx context.Context, o *options, x text, victim int) (*loss, error) {
	r, err := start(ctx, o, x, 2, 0)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	time.Sleep(o.measure / 2) // the router learns how long requests take
	l := &loss{}
	steps, err := r.traffic.watch(ctx, o.measure)
	if err != nil {
		return nil, err
	}
	l.before, l.quiet = rate(steps, o.rows), at(took(steps), 100)
	if err := r.pool.nodes[victim].kill(); err != nil {
		return nil, err
	}
	if steps, err = r.traffic.watch(ctx, o.measure); err != nil {
		return nil, err
	}
	l.stall = at(took(steps), 100)
	if l.chosen, err = r.rate(ctx, o.measure); err != nil {
		return nil, err
	}
	r.op.lost[r.pool.nodes[victim].name] = true
	if err := r.op.settle(ctx, r.loads(x)); err != nil {
		return nil, err
	}
	l.placed, err = r.rate(ctx, o.measure)
	return l, err
}
