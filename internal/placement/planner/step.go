package planner

import "math/bits"

// step is a set of changes that are made together.
type step struct {
	changes [maxChanges]change
	n       int
}

// change gives an expert to a node that does not hold it, or takes it away from
// one that does.
type change struct{ node, expert int }

// maxChanges: two experts go, two come, and each is two changes.
const maxChanges = 8

func (t *step) add(node, expert int) {
	t.changes[t.n] = change{node, expert}
	t.n++
}

// pass moves an expert from one node to another.
func (t *step) pass(e, from, to int) {
	t.add(from, e)
	t.add(to, e)
}

// maxLoads: a step loads no more experts than two exchanged pairs.
const maxLoads = 4

// take makes a new best step of so much gain and so many loads, empty as yet. From
// then on another has to gain more: in all, or, if experts are in place that should
// stay there, for each load. A step that loads nothing counts like half a load.
func (s *search) take(gain float64, loads int) {
	s.best.n = 0
	least := s.load[s.busy] * leastGain
	for n := range s.need {
		s.need[n] = max(gain, least)
		if s.thrifty {
			s.need[n] = max(gain/(float64(loads)+freeStep)*(float64(n)+freeStep), least)
		}
	}
	s.limit = s.load[s.busy] - s.need[1]
}

const freeStep = 0.5

// apply changes who holds what as the step says.
func (s *search) apply(t *step) {
	for _, c := range t.changes[:t.n] {
		s.flip(c.node, c.expert)
	}
	for _, c := range t.changes[:t.n] {
		s.stale[c.expert>>6] |= 1 << (c.expert & 63)
		s.changed(c.node)
		if w := s.cost[c.expert] / float64(max(s.copies[c.expert], 1)); w != s.each[c.expert] {
			s.reweigh(c.expert, w)
		}
	}
}

// reweigh sets what a copy of e costs.
func (s *search) reweigh(e int, w float64) {
	s.each[e] = w
	s.byEach.changed(e)
	for k, word := range s.owners(e) {
		for ; word != 0; word &= word - 1 {
			s.changed(k<<6 + bits.TrailingZeros64(word))
		}
	}
}

// changed sums up the load of a node anew.
func (s *search) changed(i int) {
	s.settle(i)
	for k, word := range s.heldBy(i) {
		s.stale[k] |= word
	}
}
