package planner

import "math/bits"

// trader hands the sets of a placement made from nothing to the nodes that hold
// most of them already, so that little must be loaded. Which node has which set
// does not matter to the balance; only nodes with equal room trade. Its memory
// serves one layer after another.
type trader struct {
	*layer
	fresh   *layer   // set i is what node i of it holds
	holders []uint64 // bit j of holders[e*places:][:places]: node j holds expert e now
	near    []uint64 // bits of the nodes that hold something of the set at hand
	node    []int    // node[i] gets set i
	set     []int    // node j gets set[j]; -1: none yet
	stays   []int    // what the node that gets set i holds of it now
	home    []int    // domain home[d] gets the sets of domain d
}

// maxSweeps bounds the trading; two or three sweeps end it in practice.
const maxSweeps = 8

// relabel returns the sets of fresh by the nodes of y that get them. Each set in
// turn takes the best node left; then pairs trade as long as that saves loads.
func (t *trader) relabel(y, fresh *layer) []uint64 {
	t.begin(y, fresh)
	t.settleDomains()
	for i := range t.node {
		t.give(i, t.best(i))
	}
	for range maxSweeps {
		if !t.trade() {
			break
		}
	}
	holds := make([]uint64, len(y.holds))
	for i, j := range t.node {
		copy(holds[j*y.words:], t.fresh.heldBy(i))
	}
	return holds
}

func (t *trader) begin(y, fresh *layer) {
	t.layer, t.fresh = y, fresh
	if t.node == nil {
		t.holders, t.near = make([]uint64, y.experts*y.places), make([]uint64, y.places)
		t.node, t.set, t.stays = make([]int, y.nodes), make([]int, y.nodes), make([]int, y.nodes)
	}
	clear(t.holders)
	for j := range t.set {
		t.set[j] = -1
		for k, word := range y.heldBefore(j) {
			for ; word != 0; word &= word - 1 {
				t.holders[(k<<6+bits.TrailingZeros64(word))*y.places+j>>6] |= 1 << (j & 63)
			}
		}
	}
}

func (t *trader) give(i, j int) { t.node[i], t.set[j], t.stays[i] = j, i, t.shared(i, j) }

// shared is what node j holds now of set i. To keep that of all pairs would take memory
// for nodes x nodes.
func (t *trader) shared(i, j int) (n int) {
	before := t.heldBefore(j)
	for k, word := range t.fresh.heldBy(i) {
		n += bits.OnesCount64(word & before[k])
	}
	return n
}

// nearTo are the nodes that hold something of set i.
func (t *trader) nearTo(i int) []uint64 {
	clear(t.near)
	for k, word := range t.fresh.heldBy(i) {
		for ; word != 0; word &= word - 1 {
			for p, nodes := range t.holders[(k<<6+bits.TrailingZeros64(word))*t.places:][:t.places] {
				t.near[p] |= nodes
			}
		}
	}
	return t.near
}

// best is the node left, of those that set i suits, that holds most
// of it: the first of equals.
func (t *trader) best(i int) int {
	best, most := -1, 0
	for k, word := range t.nearTo(i) {
		for ; word != 0; word &= word - 1 {
			j := k<<6 + bits.TrailingZeros64(word)
			if t.set[j] >= 0 || !t.suits(i, j) {
				continue
			}
			if n := t.shared(i, j); n > most {
				best, most = j, n
			}
		}
	}
	for j := 0; best < 0; j++ {
		if t.set[j] < 0 && t.suits(i, j) {
			best = j
		}
	}
	return best
}

// trade lets pairs of sets swap nodes if more stays in place then. Then more stays of one
// of the two: it looks for the other one.
func (t *trader) trade() (traded bool) {
	for i := range t.node {
		if t.stays[i] == t.fresh.count[i] {
			continue
		}
		for k, word := range t.nearTo(i) {
			for ; word != 0; word &= word - 1 {
				if b := k<<6 + bits.TrailingZeros64(word); t.saves(i, b) {
					a := t.node[i]
					t.give(t.set[b], a)
					t.give(i, b)
					traded = true
				}
			}
		}
	}
	return traded
}

// saves says whether more of set i, and of both, stays in place if it trades with the one
// of node b.
func (t *trader) saves(i, b int) bool {
	more := t.shared(i, b) - t.stays[i]
	if more <= 0 || !t.suits(i, b) {
		return false
	}
	a, other := t.node[i], t.set[b]
	return t.suits(other, a) && more+t.shared(other, a) > t.stays[other]
}

// suits says whether node j has the room that set i was made for, and is in the
// domain that its sets go to: what is apart stays apart.
func (t *trader) suits(i, j int) bool {
	return t.room[i] == t.room[j] && (t.dom == nil || t.home[t.dom.of[i]] == t.dom.of[j])
}

// settleDomains gives the sets of each domain in turn to the domain left, with the
// same room, whose nodes hold most of them.
func (t *trader) settleDomains() {
	if t.dom == nil {
		return
	}
	taken := make([]bool, len(t.dom.nodes))
	t.home = filled(len(taken), -1)
	for a := range taken {
		best, most := -1, -1
		for b := range taken {
			if n := t.sharedBy(a, b); !taken[b] && n > most && t.dom.alike(a, b, t.room) {
				best, most = b, n
			}
		}
		t.home[a], taken[best] = best, true
	}
}

// sharedBy is what the nodes of domain b hold of the sets of domain a.
func (t *trader) sharedBy(a, b int) (n int) {
	for _, i := range t.dom.nodes[a] {
		for _, j := range t.dom.nodes[b] {
			n += t.shared(i, j)
		}
	}
	return n
}
