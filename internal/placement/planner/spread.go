package planner

import "math"

// spread says how many copies each expert gets. Its memory serves one layer after
// another.
type spread struct {
	want []int
	each ranking // experts by falling load per copy
}

func newSpread(experts int) *spread {
	return &spread{want: make([]int, experts), each: newRanking(make([]float64, experts))}
}

// over gives each expert at least replicas copies, at most one a node, slots in all.
// Giving each spare slot to the expert with most load per copy makes the largest
// load per copy as small as it can be: only one more copy of that expert can lower
// it.
func (s *spread) over(cost []float64, replicas, nodes, slots int) {
	spare := slots - s.begin(cost, replicas, nodes, slots)
	hot := 0 // the experts before it are on all nodes
	for order := s.each.order; spare > 0; spare-- {
		for hot < len(cost) && s.want[order[hot]] == nodes {
			hot++
		}
		if hot == len(cost) || s.each.value[order[hot]] == 0 {
			return
		}
		e := order[hot]
		s.want[e]++
		s.each.value[e] = cost[e] / float64(s.want[e])
		s.each.fell(hot)
	}
}

// worst is the largest load per copy.
func (s *spread) worst() float64 { return s.each.value[s.each.order[0]] }

// begin gives out the copies that all experts need to have no more than a certain
// load per copy, few less than slots, and returns how many those are. Slots given
// out one by one come to the same on the way.
func (s *spread) begin(cost []float64, replicas, nodes, slots int) (used int) {
	limit := s.limit(cost, replicas, nodes, slots)
	for e, w := range cost {
		s.want[e] = copiesFor(w, limit, replicas, nodes)
		s.each.value[e] = w / float64(s.want[e])
		used += s.want[e]
	}
	s.each.sort()
	return used
}

const (
	// fewSpare slots are given out one by one.
	fewSpare = 16
	// limitSteps halvings, of an interval that spans one or two orders of magnitude,
	// leave a few slots in a hundred to be given out one by one.
	limitSteps = 7
)

// limit is a load per copy that slots are enough for, close to the least.
func (s *spread) limit(cost []float64, replicas, nodes, slots int) float64 {
	high := 0.0
	for _, w := range cost {
		high = max(high, w/float64(replicas))
	}
	if high == 0 || slots-replicas*len(cost) <= fewSpare {
		return high
	}
	low := total(cost) / float64(slots)
	for range limitSteps {
		mid, used := math.Sqrt(low)*math.Sqrt(high), 0
		for _, w := range cost {
			used += copiesFor(w, mid, replicas, nodes)
		}
		if used <= slots {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// copiesFor is how many copies an expert needs so that none costs more than limit.
func copiesFor(cost, limit float64, replicas, nodes int) int {
	if cost <= limit*float64(replicas) {
		return replicas
	}
	return min(int(math.Ceil(cost/limit)), nodes)
}
