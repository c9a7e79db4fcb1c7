package planner

import "math/bits"

// This file is the rule of domains as steps have to know it: no step leaves an expert
// in fewer domains than it was in, unless those are enough.

// Which experts of a chain of moves must keep the rule.
const (
	heedful  = iota // all
	careless        // all but the one that gets another copy
	heedless        // none
)

// copiesIn is how many copies of e are in the domain of node i.
func (y *layer) copiesIn(e, i int) int { return y.domainCopies[e*len(y.dom.nodes)+y.dom.of[i]] }

// copiesByDomain is how many copies of e are in each domain.
func (y *layer) copiesByDomain(e int) []int {
	return y.domainCopies[e*len(y.dom.nodes):][:len(y.dom.nodes)]
}

// tally adds d to the number of copies of e in the domain of node i. It is a function of
// its own, because within flip it would slow down plans without domains.
//
//go:noinline
func (y *layer) tally(i, e, d int) {
	in := &y.domainCopies[e*len(y.dom.nodes)+y.dom.of[i]]
	was := *in
	*in += d
	y.domainsOf[e] += b2i(*in > 0) - b2i(was > 0)
}

// mayJoin says whether node j may take another copy of e. As long as e is in too few
// domains, it must be a new domain.
func (y *layer) mayJoin(e, j int) bool { return y.dom == nil || y.joins(e, j) }

func (y *layer) joins(e, j int) bool {
	return y.rule >= careless || y.domainsOf[e] >= y.dom.want || y.copiesIn(e, j) == 0
}

// mayLeave says whether node i may drop its copy of e.
func (y *layer) mayLeave(e, i int) bool { return y.dom == nil || y.leaves(e, i) }

func (y *layer) leaves(e, i int) bool {
	return y.rule >= heedless || y.domainsOf[e] > y.dom.want || y.copiesIn(e, i) > 1
}

// mayMove says whether the copy of e on node i may go to node j; with i = -1 it is mayJoin.
func (y *layer) mayMove(e, i, j int) bool { return y.dom == nil || y.moves(e, i, j) }

func (y *layer) moves(e, i, j int) bool {
	if i < 0 {
		return y.joins(e, j)
	}
	return y.leaves(e, i) || y.copiesIn(e, j) == 0 || y.dom.of[i] == y.dom.of[j]
}

// barred returns the nodes that may not take e from node i: those that hold it, and those
// that the rule excludes. mem is scratch space for the result.
func (y *layer) barred(e, i int, mem []uint64) []uint64 {
	if y.dom == nil {
		return y.owners(e)
	}
	return y.barredApart(e, i, mem)
}

func (y *layer) barredApart(e, i int, mem []uint64) []uint64 {
	if y.leaves(e, i) {
		return y.owners(e)
	}
	copy(mem, y.owners(e))
	for d, n := range y.copiesByDomain(e) {
		if n > 0 && d != y.dom.of[i] {
			for k, word := range y.dom.sets[d*y.places:][:y.places] {
				mem[k] |= word
			}
		}
	}
	return mem
}

// givers are the nodes that may give their copy of e to node i, or, where that is -1,
// give it up; in mem where the rule leaves some of its owners only.
func (y *layer) givers(e, i int, mem []uint64) []uint64 {
	if y.dom == nil {
		return y.owners(e)
	}
	return y.giversApart(e, i, mem)
}

func (y *layer) giversApart(e, i int, mem []uint64) []uint64 {
	if y.domainsOf[e] > y.dom.want || i >= 0 && y.copiesIn(e, i) == 0 {
		return y.owners(e)
	}
	clear(mem)
	owners := y.owners(e)
	for d, n := range y.copiesByDomain(e) {
		if n > 1 || n == 1 && i >= 0 && d == y.dom.of[i] {
			for k, word := range y.dom.sets[d*y.places:][:y.places] {
				mem[k] |= word & owners[k]
			}
		}
	}
	return mem
}

// movable is an expert that node i could give to node j, or -1: one that is the
// better for it, if there is one.
func (y *layer) movable(i, j int) int {
	found, mine, theirs := -1, y.heldBy(i), y.heldBy(j)
	for k := y.words - 1; k >= 0; k-- {
		for word := mine[k] &^ theirs[k]; word != 0; {
			bit := 63 - bits.LeadingZeros64(word)
			e := k<<6 + bit
			if y.dom == nil || y.gains(e, i, j) {
				return e
			}
			if found < 0 && y.moves(e, i, j) {
				found = e
			}
			word &^= 1 << bit
		}
	}
	return found
}

// gains says whether e, in too few domains, is in one more if it moves.
func (y *layer) gains(e, i, j int) bool {
	return y.domainsOf[e] < y.dom.want && y.copiesIn(e, i) > 1 && y.copiesIn(e, j) == 0
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
