package planner

import "slices"

// part brings experts that are in too few domains into more, one copy after another,
// as long as there is a way and no more than limit experts have to be loaded in all.
// put adds a copy.
func (y *layer) part(limit int, put func(e int)) {
	if y.dom == nil {
		return
	}
	for e := range y.experts {
		for y.domainsOf[e] < y.dom.want && y.partOne(e, limit, put) {
			continue
		}
	}
}

// partOne moves a copy of e from a domain with another one. If that takes too many
// loads, or there is no way, it changes nothing and tells so.
func (y *layer) partOne(e, limit int, put func(e int)) bool {
	was, wide := slices.Clone(y.holds), y.domainsOf[e]
	for _, i := range listed(y.owners(e), nil) {
		if y.copiesIn(e, i) < 2 {
			continue
		}
		y.flip(i, e)
		put(e)
		if y.domainsOf[e] > wide && y.loads <= limit {
			return true
		}
		y.back(was)
	}
	return false
}

// back makes holds what it was.
func (y *layer) back(was []uint64) {
	for k, word := range was {
		for _, e := range listed([]uint64{word ^ y.holds[k]}, nil) {
			y.flip(k/y.words, k%y.words<<6+e)
		}
	}
}

// partByLoad is part for a layer with loads.
func (y *layer) partByLoad(limit int) {
	y.part(limit, func(e int) {
		y.weigh()
		y.restore(e, y.replicas)
	})
	if y.dom != nil {
		y.weigh()
	}
}
