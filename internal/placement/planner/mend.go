package planner

import (
	"cmp"
	"math"
	"slices"
)

// mend makes a placement by load valid again with the fewest loads: nodes that
// hold more than they have room for give experts up, and experts with fewer copies
// than they must have get them, the heaviest first. All else stays where it is, the
// surplus copies of once hot experts too.
func (y *layer) mend(must int) {
	y.weigh()
	var mean float64
	for _, w := range y.cost {
		mean += w / float64(y.nodes)
	}
	for i := range y.nodes {
		for y.free(i) < 0 {
			y.shed(i, mean)
		}
	}
	if slices.Min(y.copies) < must {
		for _, e := range sorted(y.experts, func(a, b int) int { return cmp.Compare(y.cost[b], y.cost[a]) }) {
			for y.copies[e] < must {
				y.restore(e, must)
			}
		}
	}
	y.weigh()
}

// shed takes one expert off the overfull node i: a surplus copy if it has one,
// which need not be loaded elsewhere. Of those it takes the one that brings the
// node nearest to the mean if all that must still go were as heavy.
func (y *layer) shed(i int, mean float64) {
	ideal := (y.load[i] - mean) / float64(-y.free(i))
	best, surplus, off := -1, false, math.Inf(1)
	for _, e := range y.list(i, nil) {
		extra, d := y.copies[e] > y.replicas && y.mayLeave(e, i), math.Abs(y.each[e]-ideal)
		if best < 0 || extra && !surplus || extra == surplus && d < off {
			best, surplus, off = e, extra, d
		}
	}
	y.flip(i, best)
	y.load[i] -= y.each[best]
}

// restore adds a copy of e, which shall have so many. If no node that could take it
// has room, a surplus copy of another expert makes way.
func (y *layer) restore(e, copies int) {
	y.each[e] = y.cost[e] / float64(copies)
	if y.used >= y.maxSlots || y.lightest(e) < 0 {
		y.evict(e)
	}
	if i := y.lightest(e); i >= 0 {
		y.flip(i, e)
		y.load[i] += y.each[e]
	} else {
		y.place(e)
	}
}

// evict drops the surplus copy whose expert has least load per remaining copy:
// on a node that e can go to if there is one, else anywhere, so that a chain of moves
// has a place to end. Without any surplus copy there is room already.
func (y *layer) evict(e int) {
	node, expert, least, straight := -1, -1, math.Inf(1), false
	for i := range y.nodes {
		for _, f := range y.list(i, nil) {
			direct := !y.has(i, e) && y.mayJoin(e, i)
			if y.copies[f] <= y.replicas || straight && !direct || !y.mayLeave(f, i) {
				continue
			}
			w := y.cost[f] / float64(y.copies[f]-1)
			if node < 0 || direct && !straight || w < least {
				node, expert, least, straight = i, f, w, direct
			}
		}
	}
	if node >= 0 {
		y.flip(node, expert)
		y.load[node] -= y.each[expert]
	}
}
