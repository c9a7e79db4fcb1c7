package sampling

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
