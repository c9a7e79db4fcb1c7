package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// moves watches a steady stream of steps while experts move and while none does,
// by turns.
func moves(ctx context.Context, o *options, texts []text) error {
	r, err := start(ctx, o, mixture(texts), 1, 0)
	if err != nil {
		return err
	}
	defer r.stop()
	fmt.Printf("%d expert nodes of %.2f cores, steps of %d tokens, a pause of %s between them, %s quiet and moving by turns, %d experts of each layer and node every %s\n",
		o.nodes, o.cores, o.rows, o.pause, o.measure, o.hand, o.every)
	fmt.Println("| turn | step p50 quiet, moving | p99 | p99 ratio | longest | over 2 x the quiet median | experts moved |")
	fmt.Println("|---|---|---|---|---|---|---|")
	time.Sleep(o.measure / 2)
	var all sides
	var ratios []float64
	for turn := range o.trials {
		var s sides
		for k := range 2 {
			moving := (k+turn)%2 == 1 // who comes first changes each time
			steps, moved, err := r.turn(ctx, o, moving)
			if err != nil {
				return err
			}
			s.add(moving, took(steps), moved)
			all.add(moving, took(steps), moved)
		}
		ratios = append(ratios, s.ratio())
		fmt.Println(s.row(fmt.Sprint(turn + 1)))
	}
	fmt.Println(all.row("all"))
	fmt.Printf("p99 moving over quiet, of each turn: %s\n", spread(ratios, "%.3f"))
	return nil
}

// sides are the steps without and with moves, and how many experts moved.
type sides struct {
	quiet, moving []time.Duration
	moved         int
}

func (s *sides) add(moving bool, steps []time.Duration, moved int) {
	if moving {
		s.moving = append(s.moving, steps...)
	} else {
		s.quiet = append(s.quiet, steps...)
	}
	s.moved += moved
}

// ratio of the 99th percentiles, moving over quiet.
func (s *sides) ratio() float64 { return float64(at(s.moving, 99)) / float64(at(s.quiet, 99)) }

// row of the table.
func (s *sides) row(name string) string {
	limit := 2 * median(s.quiet)
	return fmt.Sprintf("| %s | %s, %s | %s, %s | %.3f | %s, %s | %d of %d, %d of %d | %d |", name, ms(median(s.quiet)), ms(median(s.moving)),
		ms(at(s.quiet, 99)), ms(at(s.moving, 99)), s.ratio(), ms(at(s.quiet, 100)), ms(at(s.moving, 100)),
		over(s.quiet, limit), len(s.quiet), over(s.moving, limit), len(s.moving), s.moved)
}

// turn watches for a while, in which experts move again and again or not at all.
func (r *rig) turn(ctx context.Context, o *options, moving bool) ([]step, int, error) {
	if _, err := r.traffic.take(); err != nil {
		return nil, 0, err
	}
	moved := 0
	start := time.Now()
	for due := start; time.Since(start) < o.measure; {
		if !moving || time.Now().Before(due) {
			time.Sleep(roundPause)
			continue
		}
		due = due.Add(o.every)
		next := rotated(r.op.doc.Serving, o.hand)
		moved += len(placement.Diff(r.op.doc.Serving, &placement.Placement{Layers: r.op.model.Layers, Experts: r.op.model.Experts, Nodes: next}, 0))
		if err := r.op.put(ctx, next); err != nil {
			return nil, 0, err
		}
	}
	steps, err := r.traffic.take()
	return steps, moved, err
}

// rotated hands some of each node's experts of every layer to the next node, others
// each time.
func rotated(p *placement.Placement, hand int) (nodes []placement.Node) {
	given := func(i, l int) (list []int) {
		all := p.Nodes[i].Experts[l]
		for k := range min(hand, len(all)) {
			list = append(list, all[(int(p.Epoch)*hand+k)%len(all)])
		}
		return list
	}
	for i, n := range p.Nodes {
		m := placement.Node{Name: n.Name, Address: n.Address}
		for l := range n.Experts {
			gone := given(i, l)
			kept := slices.DeleteFunc(slices.Clone(n.Experts[l]), func(e int) bool { return slices.Contains(gone, e) })
			m.Experts = append(m.Experts, slices.Sorted(slices.Values(append(kept, given((i+len(p.Nodes)-1)%len(p.Nodes), l)...))))
		}
		nodes = append(nodes, m)
	}
	return nodes
}
