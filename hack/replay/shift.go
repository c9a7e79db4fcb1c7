package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// good is the balancedness that is asked for.
const good = 0.95

// shift is what one change of text did.
type shift struct {
	from, to                  string
	balanced, atOnce, then    float64 // the worst layer's balancedness: before, after the change, in the end
	back                      time.Duration
	moves                     int
	before, static, rebalance []float64 // tokens/s
}

// shifts goes from kind of text to kind of text.
func shifts(ctx context.Context, o *options, texts []text) error {
	at := func(i int) text { return texts[order(i, len(texts))] }
	r, err := start(ctx, o, at(o.first), 1, o.slots)
	if err != nil {
		return err
	}
	defer r.stop()
	fmt.Printf("%d expert nodes of %.2f cores, %d slots a layer, steps of %d tokens, window %s\n", o.nodes, o.cores, o.nodes*o.slots, o.rows, o.window)
	fmt.Println("| from | to | balancedness before, at the change, in the end | back after | experts moved | tokens/s before | static | moved | gain |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	if err := sleep(ctx, o.window/load.LooksPerWindow); err != nil { // the nodes have something to tell
		return err
	}
	b := &balancer{op: r.op, window: o.window}
	var gains, backs []float64
	for i := o.first; i < o.first+o.trials; i++ {
		s, err := r.shift(ctx, o, b, at(i), at(i+1))
		if err != nil {
			return err
		}
		g := median(s.rebalance) / median(s.static)
		gains, backs = append(gains, g), append(backs, s.back.Seconds()/o.window.Seconds())
		fmt.Printf("| %s | %s | %.3f, %.3f, %.3f | %.1f s | %d | %.0f | %.0f | %.0f | %.2f x |\n", s.from, s.to, s.balanced, s.atOnce, s.then,
			s.back.Seconds(), s.moves, median(s.before), median(s.static), median(s.rebalance), g)
	}
	fmt.Printf("tokens/s moved over static: %s; back to %.2f after %s windows\n", spread(gains, "%.2f"), good, spread(backs, "%.2f"))
	return nil
}

// order is the i-th text of n, in laps: in lap k (from 1) the next text is k further.
func order(i, n int) int {
	lap, pos := i/n+1, i%n
	return (pos*lap + i/n) % n
}

// shift changes the text, lets the operator work for two windows at most, and then
// compares its placement with that of before.
func (r *rig) shift(ctx context.Context, o *options, b *balancer, from, to text) (*shift, error) {
	s := &shift{from: from.name, to: to.name}
	old, loads := r.op.doc.Serving, r.loads(to)
	s.balanced, s.atOnce = worst(old, r.loads(from)), worst(old, loads)
	before, err := r.rate(ctx, o.measure)
	if err != nil {
		return nil, err
	}
	s.before = append(s.before, before)
	if err := r.follow(ctx, o, b, to, s); err != nil {
		return nil, err
	}
	moved := r.op.doc.Serving
	s.then = worst(moved, loads)
	return s, r.compare(ctx, o, s, old, moved)
}

func worst(p *placement.Placement, loads [][]float64) float64 {
	return slices.Min(p.Balancedness(loads))
}

// follow changes the text somewhere between two looks of the operator, and lets it
// look and move until the placement in force is good for the text, or for two windows.
func (r *rig) follow(ctx context.Context, o *options, b *balancer, to text, s *shift) error {
	const looks = 2 * load.LooksPerWindow
	quarter := o.window / load.LooksPerWindow
	begun, moves := time.Now(), b.moves
	changes := begun.Add(time.Duration(r.traffic.rnd.Int64N(int64(quarter))))
	for look := range looks + 1 { // the first one is before the change
		if err := sleep(ctx, time.Until(begun.Add(time.Duration(look)*quarter))); err != nil {
			return err
		}
		if err := b.look(ctx); err != nil {
			return err
		}
		if s.back, s.moves = time.Since(changes), b.moves-moves; look > 0 && worst(r.op.doc.Serving, r.loads(to)) >= good {
			return nil
		}
		if look == 0 {
			if err := sleep(ctx, time.Until(changes)); err != nil {
				return err
			}
			r.traffic.send(to)
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// compare measures both placements under the new text, by turns, and leaves the
// moved one in force.
func (r *rig) compare(ctx context.Context, o *options, s *shift, old, moved *placement.Placement) error {
	for range 2 {
		for _, side := range []struct {
			p  *placement.Placement
			to *[]float64
		}{{old, &s.static}, {moved, &s.rebalance}} {
			if err := r.op.put(ctx, side.p.Nodes); err != nil {
				return err
			}
			v, err := r.rate(ctx, o.measure)
			if err != nil {
				return err
			}
			*side.to = append(*side.to, v)
		}
	}
	return nil
}
