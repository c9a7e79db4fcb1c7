package placement

import "math/bits"

// This file is steps that change how many copies an expert has.

// recounts offers, for each expert of the busiest node, to give up this copy, or
// to make one more elsewhere.
func (s *search) recounts() {
	for _, e := range s.held {
		if s.copies[e] > s.least {
			s.withdraw(e)
		}
		if s.copies[e] < s.nodes {
			s.multiply(e)
		}
	}
}

// top says, of an expert, which of the nodes with a copy has most load, and how
// much the next has.
type top struct {
	node       int
	most, next float64
}

// survey looks at the experts with copies to spare, once a step: whose copy could go
// without leaving another node too busy?
func (s *search) survey() {
	if s.surveyed {
		return
	}
	s.surveyed = true
	for k, word := range s.surplus {
		s.donors[k] = 0
		for ; word != 0; word &= word - 1 {
			e := k<<6 + bits.TrailingZeros64(word)
			if s.stale[k]&word&-word != 0 {
				s.tops[e] = s.top(e)
				s.tries -= s.copies[e]
			}
			if s.tops[e].next+s.share(e) < s.limit {
				s.donors[k] |= word & -word
			}
		}
		s.stale[k] &^= s.surplus[k]
	}
}

func (s *search) top(e int) top {
	t := top{node: -1}
	for k, word := range s.at[e*s.places:][:s.places] {
		for ; word != 0; word &= word - 1 {
			i := k<<6 + bits.TrailingZeros64(word)
			if load := s.load[i]; load > t.most {
				t.node, t.most, t.next = i, load, t.most
			} else if load > t.next {
				t.next = load
			}
		}
	}
	return t
}

// share is what the other copies of e get each when one goes.
func (s *search) share(e int) float64 {
	return s.each[e] / float64(s.copies[e]-1)
}

// without is the most load that a node with a copy has once node i gives its copy
// up and the rest take their share of it.
func (t *top) without(i int, share float64) float64 {
	if t.node != i {
		return t.most + share
	}
	return t.next + share
}

// withdraw offers to drop the busiest node's copy of e; the others get its share.
func (s *search) withdraw(e int) {
	t := s.top(e)
	worst := max(s.load[s.busy]-s.each[e], t.without(s.busy, s.share(e)))
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
	if s.slack > 0 {
		for j, load := range s.load {
			if s.free(j) > 0 && !s.has(j, e) {
				s.offerCopy(e, j, -1, max(here, load+each))
			}
		}
		s.tries -= s.nodes
	}
	s.survey()
	for k, word := range s.donors {
		for word &^= s.on[s.busy*s.words+k]; word != 0; word &= word - 1 {
			s.replace(k<<6+bits.TrailingZeros64(word), e, here, each)
		}
	}
}

// replace offers a copy of e in the place of one of f, wherever there is one. here
// is the busiest node's load with one more copy of e, each what such a copy costs.
func (s *search) replace(f, e int, here, each float64) {
	mine, share := s.at[e*s.places:][:s.places], s.share(f)
	for k, word := range s.at[f*s.places:][:s.places] {
		for word &^= mine[k]; word != 0; word &= word - 1 {
			j := k<<6 + bits.TrailingZeros64(word)
			if worst := max(here, s.load[j]+each-s.each[f]); worst < s.limit {
				s.offerCopy(e, j, f, max(worst, s.tops[f].without(j, share)))
			}
		}
	}
	s.tries -= s.copies[f]
}

// offerCopy offers a copy of e on node j, there instead of f if that is not -1,
// which leaves no touched node with more load than worst.
func (s *search) offerCopy(e, j, f int, worst float64) {
	if !s.promising(worst, 1) {
		return
	}
	s.take(s.load[s.busy]-worst, 1)
	s.best.add(j, e)
	if f >= 0 {
		s.best.add(j, f)
	}
}
