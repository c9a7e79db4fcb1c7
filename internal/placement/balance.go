package placement

import "slices"

// Balancedness of each layer: mean node load / busiest node's load, 1 is
// perfect. The tokens of an expert count evenly over its replicas. loads nil
// counts every expert alike. A layer without load is perfect.
func (p *Placement) Balancedness(loads [][]float64) []float64 {
	out := make([]float64, p.Layers)
	for l := range out {
		var row []float64
		if loads != nil {
			row = loads[l]
		}
		out[l] = p.layerBalance(l, row)
	}
	return out
}

func (p *Placement) layerBalance(l int, loads []float64) float64 {
	copies := p.copies(l)
	var total, worst float64
	for _, n := range p.Nodes {
		var s float64
		for _, e := range n.Experts[l] {
			if loads == nil {
				s += 1 / float64(copies[e])
			} else {
				s += loads[e] / float64(copies[e])
			}
		}
		total += s
		worst = max(worst, s)
	}
	if worst == 0 {
		return 1
	}
	return total / float64(len(p.Nodes)) / worst
}

func (p *Placement) copies(l int) []int {
	c := make([]int, p.Experts)
	for _, n := range p.Nodes {
		for _, e := range n.Experts[l] {
			c[e]++
		}
	}
	return c
}

// Bound is a balancedness of one layer that no placement on so many nodes with
// so many slots in all can exceed. The busiest node carries at least
//   - the mean;
//   - the smallest possible load per copy of the hottest expert, copies being
//     handed out to keep that maximum low (greedy is optimal for a maximum);
//   - without spare slots, the j+1 lightest of the j*nodes+1 heaviest experts,
//     because some node must hold that many of them (pigeonhole).
func Bound(loads []float64, nodes, slots int) float64 {
	var total, worst float64
	for _, w := range loads {
		total += w
	}
	if total == 0 {
		return 1
	}
	for e, c := range spread(loads, 1, nodes, slots) {
		worst = max(worst, loads[e]/float64(c))
	}
	if slots <= len(loads) {
		worst = max(worst, pigeonhole(loads, nodes))
	}
	mean := total / float64(nodes)
	return mean / max(mean, worst)
}

func pigeonhole(loads []float64, nodes int) float64 {
	heavy := slices.Clone(loads)
	slices.SortFunc(heavy, func(a, b float64) int { return compareFloat(b, a) })
	var worst float64
	for j := 1; j*nodes+1 <= len(heavy); j++ {
		var s float64
		for _, w := range heavy[j*nodes-j : j*nodes+1] {
			s += w
		}
		worst = max(worst, s)
	}
	return worst
}
