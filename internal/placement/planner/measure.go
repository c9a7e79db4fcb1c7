package planner

import (
	"math"
	"slices"
)

// This file is the measures of bound.go. For each, the comment proves that what
// fits on a node measures at most 1.

const (
	// shares: measures by (k+1)-ths for k up to this.
	shares = 12
	// maxEdges bounds the measures with an edge: it may be at the size of any expert,
	// of more than that many at so many of them.
	maxEdges = 64
)

// measures are made for a capacity: their edges are at the sizes of the experts'
// copies if they have as few as they can.
func (p *packing) measures(capacity float64) []func(float64) float64 {
	var all []func(float64) float64
	for k := 1; k <= shares; k++ {
		all = append(all, byShares(float64(k)))
	}
	var edges []float64
	for _, w := range p.cost {
		if x := w / (float64(p.fewest(w, capacity)) * capacity) * (1 - 2*rounding); x > 0 && x <= 0.5 {
			edges = append(edges, x)
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	perNode, skip := ceilDiv(p.slots, p.nodes), ceilDiv(len(edges), maxEdges)
	for i := 0; i < len(edges); i += skip {
		all = append(all, byEdge(edges[i]), bySlots(edges[i], perNode))
	}
	return all
}

// byShares: of copies each larger than 1/(k+1) a node takes k. In general it gives
// floor((k+1)x)/k. The reduced sizes of packing.exceeds sum to less than 1 on a
// node, so their floors sum to less than k+1, and, being integers, to at most k.
func byShares(k float64) func(float64) float64 {
	return func(x float64) float64 { return math.Floor((k+1)*x) / k }
}

// byEdge: a copy larger than 1-t counts as a full node, one smaller than t not at
// all, one between as it is. Beside a copy larger than 1-t all others are smaller
// than t, and two such do not fit, as t is at most a half.
func byEdge(t float64) func(float64) float64 {
	return edged(t, func(x float64) float64 { return x })
}

// bySlots: the same, but what is between takes a slot, of perNode. A node without a
// copy larger than 1-t has no more than perNode of them; one with such a copy has
// none besides it.
func bySlots(t float64, perNode int) func(float64) float64 {
	return edged(t, func(float64) float64 { return 1 / float64(perNode) })
}

func edged(t float64, between func(float64) float64) func(float64) float64 {
	return func(x float64) float64 {
		switch {
		case x > 1-t:
			return 1
		case x < t:
			return 0
		}
		return between(x)
	}
}
