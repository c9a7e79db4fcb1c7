package placement

// search improves one layer's placement by steps that each lower the load of a
// busiest node and keep all others below what that one had.
type search struct {
	*layer
	floor   float64 // load that the busiest node has at least, whatever the placement
	tries   int     // exchanges that may still be looked at
	thrifty bool    // steps are judged by gain per expert to load, else by gain

	busy       int   // the node to relieve
	held       []int // by it
	best       step
	need       [maxLoads + 1]float64 // what a step of so many loads must gain to be the best
	limit      float64               // a step of one load must leave no node with more
	slots      int                   // on all nodes
	slack      int                   // of them free
	mine, them []bundle
	surveyed   bool     // tops and donors are of this step
	tops       []top    // of the experts with copies to spare
	stale      []uint64 // bits of those whose nodes' loads have changed since
	donors     []uint64 // bits of those whose copy could go
}

const (
	// nearPerfect: a placement made from nothing is searched until the busiest node
	// is this little above what is possible at all.
	nearPerfect = 1e-6
	// goodEnough: a placement in force is left alone when it is; moving experts for
	// less would chase the noise of what was measured.
	goodEnough = 5e-4
	// leastGain is the smallest relative gain that counts; it keeps rounding errors
	// from moving experts to and fro.
	leastGain = 1e-9
	// maxTries bounds the search of a layer. A try takes a few nanoseconds. The first
	// placement that no step improves takes far fewer on any pool up to 64 nodes.
	maxTries = 1 << 19
	// fewNodes: in larger pools only single experts are exchanged, and the first
	// placement that no step improves is kept.
	fewNodes = 32
)

func newSearch(y *layer, floor float64) *search {
	s := &search{layer: y, floor: floor, tries: maxTries, slots: sum(y.room), tops: make([]top, y.experts)}
	sets := make([]uint64, 2*y.words)
	s.donors, s.stale = sets[:y.words], sets[y.words:]
	return s
}

// done reports whether the busiest node's load cannot be lowered to speak of.
func (s *search) done() bool {
	enough := nearPerfect
	if s.thrifty {
		enough = goodEnough
	}
	return s.load[s.busy] <= s.floor*(1+enough)
}

// descend takes the best step until there is none, and tells after each.
func (s *search) descend(after func(*step)) {
	s.busy = s.busiest()
	for k := range s.stale {
		s.stale[k] = ^uint64(0)
	}
	for !s.done() && s.tries > 0 && s.next() {
		s.apply(&s.best)
		s.busy = s.busiest()
		if after != nil {
			after(&s.best)
		}
	}
}

// next finds the best step: among copies and single experts first, then, if none
// of those helps, among pairs.
func (s *search) next() bool {
	s.take(0, 0)
	s.surveyed, s.slack = false, s.slots-sum(s.count)
	s.tries -= s.nodes
	s.held = s.list(s.busy, s.held[:0])
	s.recounts()
	s.swaps()
	if s.best.n == 0 && s.nodes <= fewNodes {
		s.pairs()
	}
	return s.best.n > 0
}
