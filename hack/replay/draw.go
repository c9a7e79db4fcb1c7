package main

import "math/rand/v2"

// drawer draws tokens' experts of one layer: k different ones for each token, an
// expert as often as its share of the counts says. It takes every k-th part of the
// shares laid end to end in random order (systematic sampling, Madow 1949): drawing
// one after another without repeats would make hot experts cooler than they are.
type drawer struct {
	rnd   *rand.Rand
	share []float64 // of tokens that choose the expert; adds up to k
	order []int
}

func newDrawer(counts []float64, k int, rnd *rand.Rand) *drawer {
	d := &drawer{rnd: rnd, share: shares(counts, k)}
	for e := range counts {
		d.order = append(d.order, e)
	}
	return d
}

// token draws len(ids) experts, which is k.
func (d *drawer) token(ids []int32) {
	d.rnd.Shuffle(len(d.order), func(i, j int) { d.order[i], d.order[j] = d.order[j], d.order[i] })
	at, n := d.rnd.Float64(), 0
	sum := 0.0
	for _, e := range d.order {
		if sum += d.share[e]; sum > at && n < len(ids) {
			ids[n] = int32(e) //nolint:gosec // below the number of experts
			n, at = n+1, at+1
		}
	}
	for i := len(d.order) - 1; n < len(ids); i-- { // rounding has left the last one out
		if last := int32(d.order[i]); n == 0 || ids[n-1] != last { //nolint:gosec // below the number of experts
			ids[n] = last
			n++
		}
	}
}

// shares scales counts so that they add up to k and none is above 1: a token
// chooses an expert once. What is cut off goes to the others.
func shares(counts []float64, k int) []float64 {
	p := make([]float64, len(counts))
	for cut := true; cut; {
		rest, sum := float64(k), 0.0
		for e, c := range counts {
			if p[e] == 1 {
				rest--
			} else {
				sum += c
			}
		}
		cut = false
		for e, c := range counts {
			if p[e] == 1 || sum == 0 {
				continue
			}
			if p[e] = c / sum * rest; p[e] > 1 {
				p[e], cut = 1, true
			}
		}
	}
	return p
}
