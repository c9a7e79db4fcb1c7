package planner

import "slices"

// ranking lists numbers by falling value.
type ranking struct {
	order []int
	value []float64
	keys  []uint64 // memory for sort
}

func newRanking(value []float64) ranking {
	r := ranking{make([]int, len(value)), value, make([]uint64, len(value))}
	for i := range r.order {
		r.order[i] = i
	}
	return r
}

// sort puts all in order, equal ones by number.
func (r *ranking) sort() { sortBy(r.value, falling, r.keys, r.order) }

// fell puts the number at position k, whose value has fallen, in its new place,
// after its equals.
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

// rose is fell for a value that has risen.
func (r *ranking) rose(k int) {
	n := r.order[k]
	low := r.below(r.value[n], k)
	copy(r.order[low+1:k+1], r.order[low:k])
	r.order[low] = n
}

// changed puts number n, whose value is another one now, in its new place.
func (r *ranking) changed(n int) {
	k := slices.Index(r.order, n)
	if k > 0 && r.value[r.order[k-1]] < r.value[n] {
		r.rose(k)
	} else {
		r.fell(k)
	}
}

// repair sorts anew after a few values have changed.
func (r *ranking) repair() {
	for k := 1; k < len(r.order); k++ {
		if r.value[r.order[k-1]] < r.value[r.order[k]] {
			r.rose(k)
		}
	}
}

// below is the first of the first n places with a value less than v; n if there is
// none.
func (r *ranking) below(v float64, n int) int {
	low, high := 0, n
	for low < high {
		if mid := int(uint(low+high) / 2); r.value[r.order[mid]] >= v {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}
