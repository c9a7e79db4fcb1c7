package placement

import "math/bits"

// swaps offers, for each other node, that the busiest gives it one expert, and
// takes one or, if there is room, none.
//
// If d is what the busiest node gets rid of and gap what it has more than the
// other, then the busier of the two is afterwards min(d, gap-d) below what the
// busiest had.
func (s *search) swaps() {
	most, mine := s.load[s.busy], s.on[s.busy*s.words:][:s.words]
	loads := 2
	if s.slack > 0 {
		loads = 1
	}
	for _, e := range s.held {
		// What comes back is no heavier than node j's load, so the busier of the two
		// keeps at least all of the busiest's load but e, too.
		if w := s.each[e]; min(w, most-w) <= s.need[loads] {
			continue
		}
		for j, load := range s.load {
			if gap := most - load; gap > 2*s.need[loads] && !s.has(j, e) { // never the node itself
				s.swap(e, j, gap, mine)
			}
		}
		s.tries -= s.nodes
	}
}

// swap offers that expert e goes to node j, and something that the busiest node
// does not hold, mine, comes back.
func (s *search) swap(e, j int, gap float64, mine []uint64) {
	w := s.each[e]
	if gain := min(w, gap-w); gain > s.need[1] && s.free(j) > 0 {
		s.take(gain, 1)
		s.best.pass(e, s.busy, j)
	}
	s.tries -= s.count[j]
	need := s.need[2]
	for k, word := range s.on[j*s.words:][:s.words] {
		each := s.each[k<<6:]
		for word &^= mine[k]; word != 0; word &= word - 1 {
			f := bits.TrailingZeros64(word)
			d := w - each[f]
			if d <= need || gap-d <= need {
				continue
			}
			s.take(min(d, gap-d), 2)
			s.best.pass(e, s.busy, j)
			s.best.pass(k<<6+f, j, s.busy)
			need = s.need[2]
		}
	}
}

// bundle is none, one or two of the experts that a node could give to another.
type bundle struct {
	of   [2]int
	n    int
	load float64
}

// maxPairs: nodes that hold more experts are not searched pair by pair.
const maxPairs = 64

// pairs offers what swaps does, with up to two experts each way.
func (s *search) pairs() {
	for j := range s.nodes {
		gap := s.load[s.busy] - s.load[j]
		if gap <= 2*s.need[1] || s.tries <= 0 {
			continue
		}
		s.mine, s.them = s.bundles(s.busy, j, s.mine[:0]), s.bundles(j, s.busy, s.them[:0])
		s.tries -= len(s.mine) * len(s.them)
		s.pairsWith(j, gap)
	}
}

// bundles lists what node i holds and node j does not, up to two at a time.
func (s *search) bundles(i, j int, to []bundle) []bundle {
	to = append(to, bundle{})
	for k := range s.words {
		for word := s.on[i*s.words+k] &^ s.on[j*s.words+k]; word != 0; word &= word - 1 {
			e := k<<6 + bits.TrailingZeros64(word)
			to = append(to, bundle{[2]int{e}, 1, s.each[e]})
		}
	}
	singles := to[1:]
	if len(singles) > maxPairs {
		return to
	}
	for k, x := range singles {
		for _, z := range singles[:k] {
			to = append(to, bundle{[2]int{x.of[0], z.of[0]}, 2, x.load + z.load})
		}
	}
	return to
}

func (s *search) pairsWith(j int, gap float64) {
	there, here := s.free(j), s.free(s.busy)
	for m := range s.mine {
		give := &s.mine[m]
		for t := range s.them {
			take := &s.them[t]
			d := give.load - take.load
			gain := min(d, gap-d)
			if gain <= s.need[give.n+take.n] || give.n-take.n > there || take.n-give.n > here {
				continue
			}
			s.take(gain, give.n+take.n)
			for _, e := range give.of[:give.n] {
				s.best.pass(e, s.busy, j)
			}
			for _, e := range take.of[:take.n] {
				s.best.pass(e, j, s.busy)
			}
		}
	}
}
