package planner

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// layer is one layer's placement while it is being made. All sets are bits in
// flat arrays: a plan for 64 nodes has a millisecond.
type layer struct {
	experts, nodes, words int
	on                    []uint64 // bit e of on[i*words:][:words]: node i holds expert e
	was                   []uint64 // likewise, what the nodes hold now
	places                int      // words for a set of nodes
	at                    []uint64 // the same as on by experts: bit i of at[e*places:][:places]
	least                 int      // copies that each expert must have
	loads                 int      // experts on nodes that do not hold them now: what must be loaded
	used                  int      // experts on all nodes
	count                 []int    // experts on node i
	copies                []int    // nodes that hold expert e
	room                  []int    // how many experts node i may hold
	slots                 int      // room of all nodes
	most                  int      // how many experts all nodes together may hold: no more than slots
	turn                  int      // node that comes first among equals, where that matters

	// With domains only:
	dom  *domains
	heed int   // how far the rule is heeded: heedful but in chains
	in   []int // copies of expert e in domain d: in[e*len(dom.nodes)+d]
	wide []int // domains with a copy of expert e

	// With loads only:
	cost []float64 // of expert e, all its copies together
	each []float64 // cost[e] / copies[e]
	load []float64 // of node i: each, summed over what it holds in ascending order
}

func newLayer(experts, nodes, replicas int, dom *domains) *layer {
	words, places := (experts+63)/64, (nodes+63)/64
	held, sets, counts := nodes*words, make([]uint64, 2*nodes*words+experts*places), make([]int, nodes+experts)
	sums := make([]float64, experts+nodes)
	y := &layer{experts: experts, nodes: nodes, words: words, places: places, least: replicas,
		on: sets[:held], was: sets[held : 2*held], at: sets[2*held:],
		count: counts[:nodes], copies: counts[nodes:], each: sums[:experts:experts], load: sums[experts:]}
	if dom != nil {
		y.dom, y.in, y.wide = dom, make([]int, experts*len(dom.nodes)), make([]int, experts)
	}
	return y
}

// clear takes everything off the nodes.
func (y *layer) clear() {
	clear(y.on)
	clear(y.was)
	clear(y.at)
	clear(y.count)
	clear(y.copies)
	clear(y.load)
	clear(y.in)
	clear(y.wide)
	y.loads, y.used = 0, 0
}

// keep starts from what the nodes hold now.
func (y *layer) keep(now []*placement.Node, l int) {
	each(now, l, y.experts, func(i, e int) {
		if !y.has(i, e) {
			y.flip(i, e)
		}
	})
	copy(y.was, y.on)
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

func (y *layer) has(i, e int) bool { return y.on[i*y.words+e>>6]>>(e&63)&1 != 0 }

// flip gives expert e to node i, or takes it away.
func (y *layer) flip(i, e int) {
	k, bit := i*y.words+e>>6, uint64(1)<<(e&63)
	y.on[k] ^= bit
	y.at[e*y.places+i>>6] ^= 1 << (i & 63)
	d := 1
	if y.on[k]&bit == 0 {
		d = -1
	}
	y.used += d
	y.count[i] += d
	y.copies[e] += d
	if y.was[k]&bit == 0 {
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
func (y *layer) list(i int, to []int) []int { return listed(y.on[i*y.words:][:y.words], to) }

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
