package planner

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// layer is one layer's placement while it is being made. All sets are bits in
// flat arrays: a plan for 64 nodes has a millisecond. Who holds what is there twice:
//
//	holds     a row for each node: of words words, in which bit e says that it holds expert e
//	ownersOf  a row for each expert: of places words, in which bit i says that node i holds it
type layer struct {
	experts, nodes, words int
	holds                 []uint64 // who holds what now: see heldBy
	before                []uint64 // and what did before: see heldBefore
	places                int      // words for a set of nodes
	ownersOf              []uint64 // holds by experts: see owners
	replicas              int      // copies that each expert must have
	loads                 int      // experts on nodes that did not hold them before: what must be loaded
	used                  int      // experts on all nodes
	count                 []int    // experts on node i
	copies                []int    // nodes that hold expert e
	room                  []int    // how many experts node i may hold
	slots                 int      // room of all nodes
	maxSlots              int      // how many experts all nodes together may hold: no more than slots
	first                 int      // node that comes first among equals, where that matters

	// With domains only:
	dom          *domains
	rule         int   // how far the rule is heeded: heedful but in chains
	domainCopies []int // copies of each expert in each domain, see copiesByDomain
	domainsOf    []int // domains with a copy of expert e

	// With loads only:
	cost []float64 // of expert e, all its copies together
	each []float64 // cost[e] / copies[e]
	load []float64 // of node i: each, summed over what it holds in ascending order
}

func newLayer(experts, nodes, replicas int, dom *domains) *layer {
	words, places := (experts+63)/64, (nodes+63)/64
	held, sets, counts := nodes*words, make([]uint64, 2*nodes*words+experts*places), make([]int, nodes+experts)
	sums := make([]float64, experts+nodes)
	y := &layer{experts: experts, nodes: nodes, words: words, places: places, replicas: replicas,
		holds: sets[:held], before: sets[held : 2*held], ownersOf: sets[2*held:],
		count: counts[:nodes], copies: counts[nodes:], each: sums[:experts:experts], load: sums[experts:]}
	if dom != nil {
		y.dom, y.domainCopies, y.domainsOf = dom, make([]int, experts*len(dom.nodes)), make([]int, experts)
	}
	return y
}

// clear takes everything off the nodes.
func (y *layer) clear() {
	clear(y.holds)
	clear(y.before)
	clear(y.ownersOf)
	clear(y.count)
	clear(y.copies)
	clear(y.load)
	clear(y.domainCopies)
	clear(y.domainsOf)
	y.loads, y.used = 0, 0
}

// keep starts from what the nodes hold now.
func (y *layer) keep(now []*placement.Node, l int) {
	each(now, l, y.experts, func(i, e int) {
		if !y.has(i, e) {
			y.flip(i, e)
		}
	})
	copy(y.before, y.holds)
	y.loads = 0
}

// settleRoom gives the nodes their room. If they may, they keep what they hold, however
// uneven that is.
func (y *layer) settleRoom(room []int, keep bool) {
	copy(y.room, room)
	if keep {
		for i, n := range y.count {
			y.room[i] = max(y.room[i], n)
		}
	}
	y.slots = sum(y.room)
}

// each visits who holds what of layer l now. Entries out of range are ignored: a
// placement for another model keeps nothing.
func each(now []*placement.Node, l, experts int, visit func(i, e int)) {
	for i, n := range now {
		if n == nil || l >= len(n.Experts) {
			continue
		}
		for _, e := range n.Experts[l] {
			if e >= 0 && e < experts {
				visit(i, e)
			}
		}
	}
}

// heldBy are the experts that node i holds.
func (y *layer) heldBy(i int) []uint64 { return y.holds[i*y.words:][:y.words] }

// heldBefore are the experts that node i held before.
func (y *layer) heldBefore(i int) []uint64 { return y.before[i*y.words:][:y.words] }

// owners are the nodes that hold e.
func (y *layer) owners(e int) []uint64 { return y.ownersOf[e*y.places:][:y.places] }

func (y *layer) has(i, e int) bool { return y.holds[i*y.words+e>>6]>>(e&63)&1 != 0 }

// flip gives expert e to node i, or takes it away.
func (y *layer) flip(i, e int) {
	k, bit := i*y.words+e>>6, uint64(1)<<(e&63)
	y.holds[k] ^= bit
	y.ownersOf[e*y.places+i>>6] ^= 1 << (i & 63)
	d := 1
	if y.holds[k]&bit == 0 {
		d = -1
	}
	y.used += d
	y.count[i] += d
	y.copies[e] += d
	if y.before[k]&bit == 0 {
		y.loads += d
	}
	if y.dom != nil {
		y.tally(i, e, d)
	}
}

func (y *layer) move(e, from, to int) {
	y.flip(from, e)
	y.flip(to, e)
}

// list appends what node i holds, ascending.
func (y *layer) list(i int, to []int) []int { return listed(y.heldBy(i), to) }

// listed appends the members of a set, ascending.
func listed(set []uint64, to []int) []int {
	for k, word := range set {
		for ; word != 0; word &= word - 1 {
			to = append(to, k<<6+bits.TrailingZeros64(word))
		}
	}
	return to
}

// members counts those of a set.
func members(set []uint64) (n int) {
	for _, word := range set {
		n += bits.OnesCount64(word)
	}
	return n
}

func (y *layer) free(i int) int { return y.room[i] - y.count[i] }

// sorted lists 0..n-1 by compare, ties by number.
func sorted(n int, compare func(a, b int) int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := compare(a, b); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	return order
}

func filled(n, v int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = v
	}
	return s
}

func sum(s []int) (n int) {
	for _, v := range s {
		n += v
	}
	return n
}
