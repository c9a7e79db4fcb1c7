package planner

import (
	"math"
	"math/bits"
	"slices"
)

// leveller says which node gets which set of a layer that no node holds anything of
// yet, so that nodes even out over the layers: the heaviest set goes to the node
// with least load in the layers before, and so on. Which node has which set does
// not matter to the layer's balance; only nodes with equal room trade. Where copies
// are kept apart, whole domains trade, and then the nodes of each.
type leveller struct {
	room        []int
	dom         *domains
	held        []float64 // load of each node in the layers before
	node        []int     // that gets set i
	all         []int     // nodes
	sets, nodes []int     // by falling load, by rising load
	values      []float64 // to sort by
	keys        []uint64
}

func newLeveller(room []int, dom *domains) *leveller {
	n := len(room)
	ints, floats := make([]int, 4*n), make([]float64, 2*n)
	v := &leveller{room: room, dom: dom, held: floats[:n], values: floats[n:], keys: make([]uint64, n),
		node: ints[:n], sets: ints[n : 2*n], nodes: ints[2*n : 3*n], all: ints[3*n:]}
	for i := range v.all {
		v.all[i] = i
	}
	return v
}

// level places sets of these loads.
func (v *leveller) level(load []float64) (node []int) {
	if v.dom == nil {
		v.trade(v.all, v.all, load)
	} else {
		v.tradeDomains(load)
	}
	return v.add(load)
}

// trade gives sets to nodes, as many, of equal room one by one: those of a run of equal
// room by load.
func (v *leveller) trade(sets, nodes []int, load []float64) {
	for from := 0; from < len(sets); {
		to := from + 1
		for to < len(sets) && v.room[sets[to]] == v.room[sets[from]] {
			to++
		}
		by, under := v.sets[from:to], v.nodes[from:to]
		v.sort(sets[from:to], load, falling, by)
		v.sort(nodes[from:to], v.held, rising, under)
		for k, i := range by {
			v.node[sets[from+i]] = nodes[from+under[k]]
		}
		from = to
	}
}

// sort lists the places of list by the values of what is there.
func (v *leveller) sort(list []int, value []float64, turn uint64, order []int) {
	values := v.values[:len(list)]
	for k, i := range list {
		values[k] = value[i]
	}
	sortBy(values, turn, v.keys[:len(list)], order)
}

// tradeDomains gives the sets of the heaviest domain to the one with least load, of
// those with the same room, and so on.
func (v *leveller) tradeDomains(load []float64) {
	n := len(v.dom.nodes)
	own, held, done := make([]float64, n), make([]float64, n), make([]bool, n)
	for i, d := range v.dom.of {
		own[d], held[d] = own[d]+load[i], held[d]+v.held[i]
	}
	for range n {
		a, b := -1, -1
		for d, w := range own {
			if w >= 0 && (a < 0 || w > own[a]) {
				a = d
			}
		}
		for d, w := range held {
			if !done[d] && (b < 0 || w < held[b]) && v.dom.alike(a, d, v.room) {
				b = d
			}
		}
		own[a], done[b] = -1, true
		v.trade(v.dom.nodes[a], v.dom.nodes[b], load)
	}
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
