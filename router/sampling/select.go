package sampling

import "math"

// candidate is a token that may still be drawn. weight is e^(value - largest
// value): its probability but for a common factor.
type candidate struct {
	weight float64
	value  float32
	id     int32
}

// before is the order that top_k, top_p and min_p cut: by value descending,
// the lower id first on a tie. It is total, so every cut is unambiguous.
func (a candidate) before(b candidate) bool {
	return a.value > b.value || a.value == b.value && a.id < b.id
}

// prefix moves the shortest prefix of the order that measures at least need to
// the front of c and returns its length (at least 1, at most len(c)). With
// byWeight a candidate measures its weight, else 1. Quickselect: expected time
// is linear in len(c), and the pivots are a function of the data alone.
func prefix(c []candidate, need float64, byWeight bool) int {
	lo, hi := 0, len(c) // c[:lo] is in, c[hi:] is out
	for hi-lo > 1 {
		mid := partition(c, lo, hi)
		sum := measure(c[lo:mid], byWeight)
		switch {
		case sum >= need && mid > lo:
			hi = mid
		case sum+measure(c[mid:mid+1], byWeight) >= need:
			return mid + 1
		default:
			need -= sum + measure(c[mid:mid+1], byWeight)
			lo = mid + 1
		}
	}
	return max(hi, 1)
}

// top appends to c the k largest of values that are not impossible, in no
// order. Ids come ascending, so one that only equals the worst of k kept is
// after it in the order: nearly every value costs one comparison.
func top(values []float32, k int, c []candidate) []candidate {
	const slack = 64 // below it selecting costs more than it saves
	worst := float32(expFloor)
	limit := math.MaxInt
	if k < len(values) {
		limit = 2*k + slack
	}
	for i, v := range values {
		if v <= worst {
			continue
		}
		if c = append(c, candidate{value: v, id: int32(i)}); len(c) == limit {
			c = c[:prefix(c, float64(k), false)]
			worst = lowest(c)
		}
	}
	if len(c) > k {
		c = c[:prefix(c, float64(k), false)]
	}
	return c
}

func lowest(c []candidate) float32 {
	v := c[0].value
	for i := range c {
		v = min(v, c[i].value)
	}
	return v
}

func measure(c []candidate, byWeight bool) float64 {
	if !byWeight {
		return float64(len(c))
	}
	sum := 0.0
	for i := range c {
		sum += c[i].weight
	}
	return sum
}

// partition picks a pivot in c[lo:hi], moves what is before it to its left,
// and returns the pivot's index.
func partition(c []candidate, lo, hi int) int {
	m := median(c, lo, lo+(hi-lo)/2, hi-1)
	c[m], c[hi-1] = c[hi-1], c[m]
	pivot, at := c[hi-1], lo
	for i := lo; i < hi-1; i++ {
		if c[i].before(pivot) {
			c[i], c[at] = c[at], c[i]
			at++
		}
	}
	c[at], c[hi-1] = c[hi-1], c[at]
	return at
}

func median(c []candidate, i, j, k int) int {
	if c[j].before(c[i]) {
		i, j = j, i
	}
	if c[k].before(c[i]) {
		return i
	}
	if c[k].before(c[j]) {
		return k
	}
	return j
}
