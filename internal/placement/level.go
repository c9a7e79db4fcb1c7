package placement

import (
	"math"
	"math/bits"
	"slices"
)

// level says which node gets which set of a layer that no node holds anything of
// yet, so that nodes even out over the layers: the heaviest set goes to the node
// with least load in the layers before, and so on. Which node has which set does
// not matter to the layer's balance; only nodes with equal room trade. held, the
// loads in the layers before, gets this one's too.
func (y *layer) level(held []float64) (node []int) {
	node = make([]int, y.nodes)
	for from := 0; from < y.nodes; {
		to := from
		for ; to < y.nodes && y.room[to] == y.room[from]; to++ {
			node[to] = to
		}
		sets, nodes := sortedBy(y.load[from:to], falling), sortedBy(held[from:to], rising)
		for k, i := range sets {
			node[from+i] = from + nodes[k]
		}
		from = to
	}
	for i, j := range node {
		held[j] += y.load[i]
	}
	return node
}

// Orders of sortedBy: what turns a value's bits over, or not.
const (
	rising  = uint64(0)
	falling = ^uint64(0)
)

// sortedBy lists the places of values by value, equal ones by place. Values are not
// negative, so their bits rise with them; the lowest bits make way for the place,
// which makes values that differ by rounding alone equal, and one sort of integers
// of it all.
func sortedBy(values []float64, turn uint64) []int {
	mask := uint64(1)<<bits.Len(uint(len(values))) - 1
	keys := make([]uint64, len(values))
	for i, v := range values {
		keys[i] = (math.Float64bits(v)^turn)&^mask | uint64(i) //nolint:gosec // a place in a list
	}
	slices.Sort(keys)
	order := make([]int, len(values))
	for k, key := range keys {
		order[k] = int(key & mask) //nolint:gosec // likewise
	}
	return order
}

// stay leaves every set where it is.
func (y *layer) stay(held []float64) (node []int) {
	node = make([]int, y.nodes)
	for i := range node {
		node[i] = i
		held[i] += y.load[i]
	}
	return node
}
