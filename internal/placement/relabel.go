package placement

import "math/bits"

// relabel hands the sets of a placement made from nothing to the nodes that hold
// most of them already, so that little must be loaded. Which node has which set
// does not matter to the balance; only nodes with equal room trade. Each set in
// turn takes the best node left; then pairs trade as long as that saves loads.
func (y *layer) relabel(fresh *layer) []uint64 {
	node := make([]int, y.nodes) // of fresh's set i
	shared := y.overlaps(fresh)
	taken := make([]bool, y.nodes)
	for i := range node {
		best := -1
		for j := range node {
			if !taken[j] && y.room[j] == y.room[i] && (best < 0 || shared[i*y.nodes+j] > shared[i*y.nodes+best]) {
				best = j
			}
		}
		node[i], taken[best] = best, true
	}
	for range maxSweeps {
		if !y.trade(node, shared) {
			break
		}
	}
	on := make([]uint64, len(y.on))
	for i, j := range node {
		copy(on[j*y.words:(j+1)*y.words], fresh.on[i*y.words:(i+1)*y.words])
	}
	return on
}

// maxSweeps bounds the trading; two or three sweeps end it in practice.
const maxSweeps = 8

// overlaps counts, for each set i of fresh and each node j, what j holds of it now.
func (y *layer) overlaps(fresh *layer) []int32 {
	shared := make([]int32, y.nodes*y.nodes)
	var held []int
	for j := range y.nodes {
		held = listed(y.was[j*y.words:][:y.words], held[:0])
		for _, e := range held {
			for k, word := range fresh.at[e*y.places:][:y.places] {
				for ; word != 0; word &= word - 1 {
					shared[(k<<6+bits.TrailingZeros64(word))*y.nodes+j]++
				}
			}
		}
	}
	return shared
}

// trade lets each pair of sets swap nodes if more stays in place then.
func (y *layer) trade(node []int, shared []int32) (traded bool) {
	for i, a := range node {
		mine := shared[i*y.nodes : (i+1)*y.nodes]
		for k := range node[:i] {
			b, its := node[k], shared[k*y.nodes:(k+1)*y.nodes]
			if y.room[a] == y.room[b] && mine[b]+its[a] > mine[a]+its[b] {
				node[i], node[k], a, traded = b, a, b, true
			}
		}
	}
	return traded
}
