package planner

import "slices"

// fresh places by load from nothing: copies first, then nodes: in falling order
// of load per copy, each to the node with least load that has room (Graham's LPT
// rule). This is what EPLB's global policy does, and the search starts from it.
//
// Where every expert has several copies, the first copies of all go first, then
// the second ones: copies placed in a row would go to the same pair of nodes again
// and again, since they leave both with equal loads, and when one of them is lost
// the other one would have to do the work of two.
func (s *search) fresh(to *spread) {
	y := s.layer
	copy(y.each, to.each.value)
	copy(s.byEach.order, to.each.order)
	light := ranking{order: s.nodesWithRoom(), value: y.load} // load is negative here, so that it falls
	for round := 1; round < y.replicas; round++ {
		y.deal(&light, to.each.order, func(int) int { return round })
	}
	y.deal(&light, to.each.order, func(e int) int { return to.want[e] })
	y.weigh()
}

// deal gives each expert in turn copies up to upTo, each to the lightest node that
// has room and can take it.
func (y *layer) deal(light *ranking, order []int, upTo func(e int) int) {
	for _, e := range order {
		for k := 0; y.copies[e] < upTo(e); {
			if k == len(light.order) { // no node with room can take it: others have to move
				y.place(e)
				light.order = slices.DeleteFunc(light.order, func(i int) bool { return y.free(i) < 1 })
				k = 0
			} else if i := light.order[k]; y.has(i, e) || !y.mayJoin(e, i) {
				k++
			} else {
				y.flip(i, e)
				y.load[i] -= y.each[e]
				if y.free(i) == 0 {
					light.order = slices.Delete(light.order, k, k+1)
				} else {
					light.fell(k)
				}
			}
		}
	}
}
