package placement

import "slices"

// ranking lists numbers by falling value; equal ones in the order in which they
// came there.
type ranking struct {
	order []int
	value []float64
}

func rank(value []float64) ranking {
	r := ranking{make([]int, len(value)), value}
	for i := range r.order {
		r.order[i] = i
	}
	slices.SortFunc(r.order, func(a, b int) int {
		switch {
		case value[a] > value[b], value[a] == value[b] && a < b:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	return r
}

// fell puts the number at position k, whose value has fallen, in its new place.
func (r *ranking) fell(k int) {
	n, low, high := r.order[k], k+1, len(r.order)
	for v := r.value[n]; low < high; {
		if mid := int(uint(low+high) / 2); r.value[r.order[mid]] >= v {
			low = mid + 1
		} else {
			high = mid
		}
	}
	copy(r.order[k:], r.order[k+1:low])
	r.order[low-1] = n
}

// spread decides how many copies each expert gets: at least replicas, at most
// one a node, slots in all. Giving each spare slot to the expert with most load
// per copy makes the largest load per copy as small as it can be: only one more
// copy of that expert can lower it. Also the experts by falling load per copy.
func spread(cost []float64, replicas, nodes, slots int) (want []int, each ranking) {
	want = filled(len(cost), replicas)
	value := make([]float64, len(cost))
	for e, w := range cost {
		value[e] = w / float64(replicas)
	}
	each = rank(value)
	hot := 0 // the experts before it are on all nodes
	for spare := slots - replicas*len(cost); spare > 0; spare-- {
		for hot < len(cost) && want[each.order[hot]] == nodes {
			hot++
		}
		if hot == len(cost) || value[each.order[hot]] == 0 {
			break
		}
		e := each.order[hot]
		want[e]++
		value[e] = cost[e] / float64(want[e])
		each.fell(hot)
	}
	return want, each
}
