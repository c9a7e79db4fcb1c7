package planner

import "math/bits"

// This file is steps that change how many copies an expert has.

// recounts offers, for each expert of the busiest node, to give up this copy, or
// to make one more elsewhere.
func (s *search) recounts() {
	for _, e := range s.held {
		if s.copies[e] > s.replicas && s.mayLeave(e, s.busy) {
			s.withdraw(e)
		}
		if s.copies[e] < s.nodes {
			s.multiply(e)
		}
	}
}

// donate finds, once a step, the experts of which a copy could go without making
// another node too busy.
func (s *search) donate() {
	if s.surveyed {
		return
	}
	s.surveyed = true
	clear(s.donors)
	for e := range s.burdens {
		if b := &s.burdens[e]; b.next+b.share < s.limit {
			s.donors[e>>6] |= 1 << (e & 63)
		}
	}
}

// withdraw offers to drop the busiest node's copy of e; the others get its share.
func (s *search) withdraw(e int) {
	worst := max(s.load[s.busy]-s.each[e], s.burdens[e].without(s.busy)+s.burdens[e].share)
	if s.promising(worst, 0) {
		s.take(s.load[s.busy]-worst, 0)
		s.best.add(s.busy, e)
	}
}

// promising reports whether a step that leaves no touched node with more load than
// worst is better than the best so far.
func (s *search) promising(worst float64, loads int) bool {
	return s.load[s.busy]-worst > s.need[loads]
}

// multiply offers one more copy of e on each node without it, in a free slot or
// in that of a copy of another expert that could go.
func (s *search) multiply(e int) {
	each := s.cost[e] / float64(s.copies[e]+1)
	here := s.load[s.busy] - s.each[e] + each
	if !s.promising(here, 1) {
		return
	}
	if len(s.open) > 0 && s.used < s.maxSlots {
		s.fill(e, here, each)
	}
	if s.lightestLoad+s.leastShare >= s.limit {
		return // no copy could go
	}
	s.donate()
	mine := s.heldBy(s.busy)
	for k, word := range s.donors {
		for word &^= mine[k]; word != 0; word &= word - 1 {
			s.replace(k<<6+bits.TrailingZeros64(word), e, here, each)
		}
	}
}

// fill offers a copy of e, which costs each, in a free slot. here is the busiest
// node's load then.
func (s *search) fill(e int, here, each float64) {
	to, best, most := -1, s.need[1], s.load[s.busy]
	for _, j := range s.open {
		if gain := most - max(here, s.load[j]+each); s.prefers(j, to, gain, best) && !s.has(j, e) {
			to, best = j, gain
		}
	}
	s.tries -= len(s.open)
	if to >= 0 {
		s.take(best, 1)
		s.best.add(to, e)
	}
}

// replace offers a copy of e, which costs each, in the place of one of f, wherever
// there is one.
func (s *search) replace(f, e int, here, each float64) {
	b, less := &s.burdens[f], s.each[f]-each
	s.tries--
	if max(here, b.least-less, b.next+b.share) >= s.limit {
		return
	}
	to, best, most, mine := -1, s.need[1], s.load[s.busy], s.owners(e)
	for k, word := range s.givers(f, -1, s.give) {
		for word &^= mine[k]; word != 0; word &= word - 1 {
			j := k<<6 + bits.TrailingZeros64(word)
			if gain := most - max(here, s.load[j]-less, b.without(j)+b.share); s.prefers(j, to, gain, best) {
				to, best = j, gain
			}
		}
	}
	if to >= 0 {
		s.take(best, 1)
		s.best.add(to, e)
		s.best.add(to, f)
	}
}
