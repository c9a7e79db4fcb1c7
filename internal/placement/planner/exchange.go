package planner

import "math/bits"

// swaps offers, for each other node, that the busiest gives it one expert, and
// takes one or, if there is room, none.
//
// Moving a load of d off the busiest node lowers the larger load of the two nodes by
// min(d, gap-d), gap being the difference between them.
func (s *search) swaps() {
	most := s.load[s.busy]
	for _, e := range s.held {
		w := s.each[e]
		if len(s.open) > 0 && w > s.need[1] {
			s.hand(e, w, most)
		}
		// What comes back is no heavier than the other node's load, so the busier of the
		// two keeps at least all of the busiest's load but e, too.
		if min(w, most-w) > s.need[2] {
			s.swap(e, w, most)
		}
	}
}

// hand offers that expert e goes to a node with room.
func (s *search) hand(e int, w, most float64) {
	to, best := -1, s.need[1]
	for _, j := range s.open {
		if gain := min(w, most-s.load[j]-w); s.prefers(j, to, gain, best) && !s.has(j, e) && s.mayMove(e, s.busy, j) {
			to, best = j, gain
		}
	}
	s.tries -= len(s.open)
	if to >= 0 {
		s.take(best, 1)
		s.best.pass(e, s.busy, to)
	}
}

// prefers tells whether a step that gains so much with node j is better than the one
// found with node to (-1: none, and there has to be more than best gained). Of
// equals that with less load in all layers is better.
func (s *search) prefers(j, to int, gain, best float64) bool {
	return gain > best || gain == best && to >= 0 && s.total[j] < s.total[to]
}

// swap offers that expert e goes to another node and something lighter comes back:
// so much lighter that it is worth it, and not so much that even the lightest node
// would be too busy then.
func (s *search) swap(e int, w, most float64) {
	first := s.byEach.below(w-s.need[2], len(s.byEach.order))
	gap, mine := most-s.lightestLoad, s.heldBy(s.busy)
	barred := s.barred(e, s.busy, s.bar)
	for _, f := range s.byEach.order[first:] {
		d := w - s.each[f]
		if d >= gap-s.need[2] {
			return
		}
		if min(d, most-s.burdens[f].least-d) > s.need[2] && mine[f>>6]>>(f&63)&1 == 0 {
			s.swapFor(e, f, d, most, barred)
		}
		s.tries--
	}
}

// swapFor offers that expert e goes to a node that holds f, unless barred, and f
// comes back. d is the difference.
func (s *search) swapFor(e, f int, d, most float64, barred []uint64) {
	to, best := -1, s.need[2]
	for k, word := range s.givers(f, s.busy, s.give) {
		for word &^= barred[k]; word != 0; word &= word - 1 {
			j := k<<6 + bits.TrailingZeros64(word)
			if gain := min(d, most-s.load[j]-d); s.prefers(j, to, gain, best) {
				to, best = j, gain
			}
		}
	}
	if to >= 0 {
		s.take(best, 2)
		s.best.pass(e, s.busy, to)
		s.best.pass(f, to, s.busy)
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

// bundles lists what node i holds and node j can take, up to two at a time.
func (s *search) bundles(i, j int, to []bundle) []bundle {
	to = append(to, bundle{})
	theirs := s.heldBy(j)
	for k, mine := range s.heldBy(i) {
		for word := mine &^ theirs[k]; word != 0; word &= word - 1 {
			if e := k<<6 + bits.TrailingZeros64(word); s.mayMove(e, i, j) {
				to = append(to, bundle{[2]int{e}, 1, s.each[e]})
			}
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
