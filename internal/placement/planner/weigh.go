package planner

import (
	"math"
	"math/bits"
)

// weigh computes each and load from cost and from who holds what.
func (y *layer) weigh() {
	for e, c := range y.copies {
		y.each[e] = y.cost[e] / float64(max(c, 1))
	}
	for i := range y.load {
		y.settle(i)
	}
}

// settle sums a node's load anew. Adding up in one order gives a set of experts
// the same load however it came about.
func (y *layer) settle(i int) {
	var s float64
	for k, word := range y.heldBy(i) {
		for each := y.each[k<<6:]; word != 0; word &= word - 1 {
			s += each[bits.TrailingZeros64(word)]
		}
	}
	y.load[i] = s
}

// busiest is the first of the nodes with most load.
func (y *layer) busiest() int {
	b, most := 0, y.load[0]
	for i, load := range y.load {
		if load > most {
			b, most = i, load
		}
	}
	return b
}

// lightest is the node with room that e can go to and has least load, then fewest
// experts, then comes first from y.first on; -1 if there is none.
func (y *layer) lightest(e int) int {
	best, least := -1, math.Inf(1)
	for k := range y.nodes {
		i := (k + y.first) % y.nodes
		load := y.load[i]
		if load > least || y.free(i) < 1 || y.has(i, e) || !y.mayJoin(e, i) {
			continue
		}
		if load < least || y.count[i] < y.count[best] {
			best, least = i, load
		}
	}
	return best
}

func total(loads []float64) (t float64) {
	for _, w := range loads {
		t += w
	}
	return t
}
