package placement

// Balancedness of each layer: mean node load / busiest node's load, 1 is
// perfect. The tokens of an expert count evenly over its replicas. loads nil
// counts every expert alike. A layer without load is perfect.
func (p *Placement) Balancedness(loads [][]float64) []float64 {
	out := make([]float64, p.Layers)
	for l := range out {
		out[l] = 1
		if mean, worst := p.nodeLoads(l, row(loads, l)); worst > 0 {
			out[l] = mean / worst
		}
	}
	return out
}

// BusiestLoads is the busiest node's load in each layer; the tokens of an expert
// count evenly over its replicas.
func (p *Placement) BusiestLoads(loads [][]float64) []float64 {
	out := make([]float64, p.Layers)
	for l := range out {
		_, out[l] = p.nodeLoads(l, row(loads, l))
	}
	return out
}

func row(loads [][]float64, l int) []float64 {
	if loads == nil {
		return nil
	}
	return loads[l]
}

// nodeLoads are the mean and the largest of the nodes' loads in layer l.
func (p *Placement) nodeLoads(l int, loads []float64) (mean, worst float64) {
	copies := p.Copies(l)
	for _, n := range p.Nodes {
		var s float64
		for _, e := range n.Experts[l] {
			if loads == nil {
				s += 1 / float64(copies[e])
			} else {
				s += loads[e] / float64(copies[e])
			}
		}
		mean += s
		worst = max(worst, s)
	}
	return mean / float64(max(len(p.Nodes), 1)), worst
}

// Copies counts the nodes that hold each expert of layer l.
func (p *Placement) Copies(l int) []int {
	c := make([]int, p.Experts)
	for _, n := range p.Nodes {
		for _, e := range n.Experts[l] {
			c[e]++
		}
	}
	return c
}
