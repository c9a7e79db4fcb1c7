package planner

// hop is one step of a chain of moves: expert moved goes from node from to node.
type hop struct{ node, from, moved int }

// place adds a copy of e where all nodes with room hold e already, or are in a domain
// that it must not go to, through the shortest chain of moves that frees a place.
// The rule of domains gives way where there is no other chain.
func (y *layer) place(e int) {
	for y.rule = heedful; y.rule <= heedless; y.rule++ {
		if y.chain(e) {
			y.rule = heedful
			return
		}
	}
	panic("planner: no room for an expert although Check found enough slots")
}

// chain is a breadth-first augmenting path, so one is found whenever there is one.
// It tells whether there is. No expert moves twice in it: the second move's node
// could be reached from the first's already.
func (y *layer) chain(e int) bool {
	order := sorted(y.nodes, func(a, b int) int { return y.free(b) - y.free(a) })
	var queue []hop
	trail, seen := make([]hop, y.nodes), make([]bool, y.nodes)
	for _, i := range order {
		if !y.has(i, e) && y.mayJoin(e, i) {
			seen[i] = true
			queue = append(queue, hop{i, -1, e})
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		h := queue[0]
		trail[h.node] = h
		if y.free(h.node) > 0 {
			for ; h.from >= 0; h = trail[h.from] {
				y.move(h.moved, h.from, h.node)
			}
			y.flip(h.node, e)
			return true
		}
		for _, j := range order {
			if f := y.movable(h.node, j); !seen[j] && f >= 0 {
				seen[j] = true
				queue = append(queue, hop{j, h.node, f})
			}
		}
	}
	return false
}
