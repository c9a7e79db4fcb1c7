package placement

import (
	"math"
	"math/bits"
	"slices"
)

// leveller says which node gets which set of a layer that no node holds anything of
// yet, so that nodes even out over the layers: the heaviest set goes to the node
// with least load in the layers before, and so on. Which node has which set does
// not matter to the layer's balance; only nodes with equal room trade.
type leveller struct {
	room        []int
	held        []float64 // load of each node in the layers before
	node        []int     // that gets set i
	sets, nodes []int     // by falling load, by rising load
	keys        []uint64
}

func newLeveller(room []int) *leveller {
	n := len(room)
	ints := make([]int, 3*n)
	return &leveller{room: room, held: make([]float64, n), keys: make([]uint64, n),
		node: ints[:n], sets: ints[n : 2*n], nodes: ints[2*n:]}
}

// level places sets of these loads.
func (v *leveller) level(load []float64) (node []int) {
	for from := 0; from < len(v.room); {
		to := from + 1
		for to < len(v.room) && v.room[to] == v.room[from] {
			to++
		}
		sets, nodes := v.sets[from:to], v.nodes[from:to]
		sortBy(load[from:to], falling, v.keys[from:to], sets)
		sortBy(v.held[from:to], rising, v.keys[from:to], nodes)
		for k, i := range sets {
			v.node[from+i] = from + nodes[k]
		}
		from = to
	}
	return v.add(load)
}

// stay leaves every set where it is.
func (v *leveller) stay(load []float64) (node []int) {
	for i := range v.node {
		v.node[i] = i
	}
	return v.add(load)
}

func (v *leveller) add(load []float64) (node []int) {
	for i, j := range v.node {
		v.held[j] += load[i]
	}
	return v.node
}

// Orders of sortBy: what turns a value's bits over, or not.
const (
	rising  = uint64(0)
	falling = ^uint64(0)
)

// sortBy lists the places of values by value, equal ones by place. Values are not
// negative, so their bits rise with them; the lowest bits make way for the place,
// which makes values that differ by rounding alone equal, and one sort of integers
// of it all.
func sortBy(values []float64, turn uint64, keys []uint64, order []int) {
	mask := uint64(1)<<bits.Len(uint(len(values))) - 1
	for i, v := range values {
		keys[i] = (math.Float64bits(v)^turn)&^mask | uint64(i) //nolint:gosec // a place in a list
	}
	slices.Sort(keys)
	for k, key := range keys {
		order[k] = int(key & mask) //nolint:gosec // likewise
	}
}
