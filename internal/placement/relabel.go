package placement

import "math/bits"

// trader hands the sets of a placement made from nothing to the nodes that hold
// most of them already, so that little must be loaded. Which node has which set
// does not matter to the balance; only nodes with equal room trade. Its memory
// serves one layer after another.
type trader struct {
	*layer
	shared []int32  // of set i, what node j holds now: at [i*nodes+j]
	near   []uint64 // bit j of near[i*places:][:places]: that is not 0
	node   []int    // that gets set i
	set    []int    // that node j gets; -1: none as yet
	home   []int    // domain that gets the sets of domain d
}

// maxSweeps bounds the trading; two or three sweeps end it in practice.
const maxSweeps = 8

// relabel returns the sets of fresh by the nodes of y that get them. Each set in
// turn takes the best node left; then pairs trade as long as that saves loads.
func (t *trader) relabel(y, fresh *layer) []uint64 {
	t.begin(y)
	t.overlap(fresh)
	t.settleDomains()
	for i := range t.node {
		t.give(i, t.best(i))
	}
	for range maxSweeps {
		if !t.trade() {
			break
		}
	}
	on := make([]uint64, len(y.on))
	for i, j := range t.node {
		copy(on[j*y.words:(j+1)*y.words], fresh.on[i*y.words:(i+1)*y.words])
	}
	return on
}

func (t *trader) begin(y *layer) {
	t.layer = y
	if t.node == nil {
		t.shared, t.near = make([]int32, y.nodes*y.nodes), make([]uint64, y.nodes*y.places)
		t.node, t.set = make([]int, y.nodes), make([]int, y.nodes)
	}
	clear(t.shared)
	clear(t.near)
	for j := range t.set {
		t.set[j] = -1
	}
}

func (t *trader) give(i, j int) { t.node[i], t.set[j] = j, i }

// overlap counts, for each set i of fresh and each node j, what j holds of it now.
func (t *trader) overlap(fresh *layer) {
	var held []int
	for j := range t.nodes {
		held = listed(t.was[j*t.words:][:t.words], held[:0])
		for _, e := range held {
			for k, word := range fresh.at[e*t.places:][:t.places] {
				for ; word != 0; word &= word - 1 {
					i := k<<6 + bits.TrailingZeros64(word)
					t.shared[i*t.nodes+j]++
					t.near[i*t.places+j>>6] |= 1 << (j & 63)
				}
			}
		}
	}
}

// best is the node left, of those that set i suits, that holds most
// of it: the first of equals.
func (t *trader) best(i int) int {
	best, most := -1, int32(0)
	for k, word := range t.near[i*t.places:][:t.places] {
		for ; word != 0; word &= word - 1 {
			j := k<<6 + bits.TrailingZeros64(word)
			if n := t.shared[i*t.nodes+j]; t.set[j] < 0 && n > most && t.suits(i, j) {
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

// trade lets pairs of sets swap nodes if more stays in place then. One of the two
// must be near the other's node for that.
func (t *trader) trade() (traded bool) {
	for i := range t.node {
		mine := t.shared[i*t.nodes:][:t.nodes]
		for k, word := range t.near[i*t.places:][:t.places] {
			for ; word != 0; word &= word - 1 {
				a, b := t.node[i], k<<6+bits.TrailingZeros64(word)
				its := t.shared[t.set[b]*t.nodes:][:t.nodes]
				if t.suits(i, b) && t.suits(t.set[b], a) && mine[b]+its[a] > mine[a]+its[b] {
					t.give(t.set[b], a)
					t.give(i, b)
					traded = true
				}
			}
		}
	}
	return traded
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
		best, most := -1, int32(-1)
		for b := range taken {
			if n := t.sharedBy(a, b); !taken[b] && n > most && t.dom.alike(a, b, t.room) {
				best, most = b, n
			}
		}
		t.home[a], taken[best] = best, true
	}
}

// sharedBy is what the nodes of domain b hold of the sets of domain a.
func (t *trader) sharedBy(a, b int) (n int32) {
	for _, i := range t.dom.nodes[a] {
		for _, j := range t.dom.nodes[b] {
			n += t.shared[i*t.nodes+j]
		}
	}
	return n
}
