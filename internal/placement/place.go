package placement

import "math/bits"

// hop is one step of a chain of moves: expert moved goes from node from to node.
type hop struct{ node, from, moved int }

// place adds a copy of e where all nodes with room hold e already, through the
// shortest chain of moves that frees a place.
// The chain is a breadth-first augmenting path, so one is found whenever there is one.
func (y *layer) place(e int) {
	order := sorted(y.nodes, func(a, b int) int { return y.free(b) - y.free(a) })
	var queue []hop
	trail, seen := make([]hop, y.nodes), make([]bool, y.nodes)
	for _, i := range order {
		if !y.has(i, e) {
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
			return
		}
		for _, j := range order {
			if f := y.movable(h.node, j); !seen[j] && f >= 0 {
				seen[j] = true
				queue = append(queue, hop{j, h.node, f})
			}
		}
	}
	panic("placement: no room for an expert although Check found enough slots")
}

// movable is an expert that node i could give to node j, or -1.
func (y *layer) movable(i, j int) int {
	for k := y.words - 1; k >= 0; k-- {
		if word := y.on[i*y.words+k] &^ y.on[j*y.words+k]; word != 0 {
			return k<<6 + 63 - bits.LeadingZeros64(word)
		}
	}
	return -1
}
