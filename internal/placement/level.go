package placement

// level says which node gets which set of a layer that no node holds anything of
// yet, so that nodes even out over the layers: the heaviest set goes to the node
// with least load in the layers before, and so on. Which node has which set does
// not matter to the layer's balance; only nodes with equal room trade. held, the
// loads in the layers before, gets this one's too.
func (y *layer) level(held []float64) (node []int) {
	sets := sorted(y.nodes, func(a, b int) int { return y.fuller(a, b, y.load[b], y.load[a]) })
	nodes := sorted(y.nodes, func(a, b int) int { return y.fuller(a, b, held[a], held[b]) })
	node = make([]int, y.nodes)
	for k, i := range sets {
		node[i] = nodes[k]
		held[nodes[k]] += y.load[i]
	}
	return node
}

// fuller orders nodes by falling room, then by two numbers.
func (y *layer) fuller(a, b int, x, z float64) int {
	switch {
	case y.room[a] != y.room[b]:
		return y.room[b] - y.room[a]
	case x < z:
		return -1
	case x > z:
		return 1
	}
	return 0
}

// stay leaves every set where it is.
func (y *layer) stay(held []float64) (node []int) {
	node = make([]int, y.nodes)
	for i := range node {
		node[i] = i
		held[i] += y.load[i]
	}
	return node
}
