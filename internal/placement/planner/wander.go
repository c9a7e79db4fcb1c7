package planner

import "math/rand/v2"

const (
	// maxIdle kicks in a row without a gain end the search.
	maxIdle = 256
	// kickSwaps is how many experts a kick exchanges.
	kickSwaps = 6
)

// wander searches beyond the first placement that no step improves: it changes
// a few places at random (the same ones for the same request), descends again,
// and keeps what is better.
func (s *search) wander() {
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers for the same request
	best := s.save()
	for idle := 0; s.nodes <= fewNodes && idle < maxIdle && s.tries > 0 && !s.done(); idle++ {
		for range kickSwaps {
			s.kick(rnd)
		}
		s.weigh()
		s.descend(nil)
		if got := s.load[s.busy]; got < best.worst*(1-leastGain) {
			best, idle = s.save(), 0
		} else {
			s.revert(&best)
			s.look()
		}
	}
}

// kick exchanges two experts of two nodes, gives a surplus copy's slot to another expert,
// or, of one node drawn twice, leaves it empty: a copy more of a hot expert can make a node
// busier that holds something else. An unlucky draw changes nothing.
func (s *search) kick(rnd *rand.Rand) {
	i, j := rnd.IntN(s.nodes), rnd.IntN(s.nodes)
	e, f := s.draw(i, rnd), s.draw(j, rnd)
	if e < 0 || f < 0 {
		return
	}
	surplus := s.copies[f] > s.replicas && s.mayLeave(f, j)
	switch {
	case i == j && surplus:
		s.flip(j, f)
	case i == j || s.has(j, e):
	case surplus && rnd.IntN(2) == 0:
		s.flip(j, f)
		s.flip(j, e)
	case !s.has(i, f) && s.mayMove(e, i, j) && s.mayMove(f, j, i):
		s.move(e, i, j)
		s.move(f, j, i)
	}
}

func (s *search) draw(i int, rnd *rand.Rand) int {
	s.held = s.list(i, s.held[:0])
	if len(s.held) == 0 {
		return -1
	}
	return s.held[rnd.IntN(len(s.held))]
}

// saved is a placement of the layer to come back to.
type saved struct {
	holds []uint64
	worst float64
}

func (y *layer) save() saved {
	return saved{append([]uint64(nil), y.holds...), y.load[y.busiest()]}
}

// revert goes back to what was saved.
func (y *layer) revert(to *saved) {
	y.back(to.holds)
	y.weigh()
}
