package planner

import (
	"math"
	"slices"
)

// search improves one layer's placement by steps that each lower the load of a
// busiest node and keep all others below what that one had.
type search struct {
	*layer
	floor   float64 // load that the busiest node has at least, whatever the placement
	tries   int     // exchanges that may still be looked at
	thrifty bool    // steps are judged by gain per expert to load, else by gain

	total []float64 // load of each node in all layers at present

	busy         int     // the node to relieve
	lightestLoad float64 // of all nodes
	byEach       ranking // experts by what a copy costs
	held         []int   // by it
	best         step
	need         [maxLoads + 1]float64 // what a step of so many loads must gain to be the best
	limit        float64               // a step of one load must leave no node with more
	open         []int                 // nodes with room
	mine, them   []bundle
	leastShare   float64  // of all experts with copies to spare, what the others get when one goes
	burdens      []burden // of each expert
	stale        []uint64 // bits of those whose nodes' loads have changed since
	surveyed     bool     // donors are of this step
	donors       []uint64 // bits of the experts whose copy could go
	bar, give    []uint64 // memory for sets of nodes
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

// newSearch searches for layers of a request, one after another.
func newSearch(r *Request, room []int, dom *domains, total []float64) *search {
	y := newLayer(r.Experts, len(r.Nodes), r.Replicas, dom)
	y.room, y.maxSlots = make([]int, y.nodes), sum(room)
	sets := make([]uint64, 2*(y.words+y.places))
	return &search{layer: y, total: total, byEach: newRanking(y.each), burdens: make([]burden, y.experts),
		donors: sets[:y.words], stale: sets[y.words : 2*y.words], bar: sets[2*y.words:][:y.places], give: sets[2*y.words+y.places:],
		open: make([]int, 0, y.nodes), held: make([]int, 0, slices.Max(room))}
}

// begin starts with a layer that no node holds anything of.
func (s *search) begin(cost []float64, floor float64) {
	s.clear()
	s.cost, s.floor, s.tries, s.thrifty = cost, floor, maxTries, false
}

// done reports whether the busiest node's load cannot be lowered to speak of.
func (s *search) done() bool {
	enough := nearPerfect
	if s.thrifty {
		enough = goodEnough
	}
	return s.load[s.busy] <= s.floor*(1+enough)
}

// descend takes the best step until there is none, and tells after each; it ends
// when it is told to.
func (s *search) descend(after func(*search) (goOn bool)) {
	s.byEach.repair()
	for k := range s.stale {
		s.stale[k] = ^uint64(0)
	}
	s.leastShare = math.Inf(1)
	s.look()
	for !s.done() && s.tries > 0 && s.next() {
		s.apply(&s.best)
		s.look()
		if after != nil && !after(s) {
			return
		}
	}
}

// look finds the node to relieve.
func (s *search) look() {
	s.survey()
	s.busy, s.lightestLoad = 0, s.load[0]
	most := s.load[0]
	for i, load := range s.load {
		if load > most {
			s.busy, most = i, load
		} else if load < s.lightestLoad {
			s.lightestLoad = load
		}
	}
}

// nodesWithRoom lists them.
func (s *search) nodesWithRoom() []int {
	s.open = s.open[:0]
	for i, n := range s.count {
		if n < s.room[i] {
			s.open = append(s.open, i)
		}
	}
	return s.open
}

// next finds the best step: among copies and single experts first, then, if none
// of those helps, among pairs.
func (s *search) next() bool {
	s.take(0, 0)
	s.surveyed = false
	if s.open = s.open[:0]; s.used < s.slots {
		s.open = s.nodesWithRoom()
	}
	s.tries -= s.nodes
	s.held = s.list(s.busy, s.held[:0])
	s.recounts()
	s.swaps()
	if s.best.n == 0 && s.nodes <= fewNodes {
		s.pairs()
	}
	return s.best.n > 0
}
