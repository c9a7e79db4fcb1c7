package planner

import (
	"math"
	"math/bits"
)

// even spreads exactly least copies of each expert so that nodes differ by at most
// one, or as much as the rule of domains asks for, up to limit. held breaks ties, so
// that the nodes stay even over all layers.
func (y *layer) even(held []int, limit int) {
	y.room = y.shares(y.experts*y.replicas, held)
	if y.dom != nil {
		y.dom.widen(y.room, y.experts, limit, y.count)
	}
	y.repair()
	y.part(math.MaxInt, y.place)
}

// shares splits total over the nodes. The larger shares go to the nodes that
// hold most of this layer already (fewest moves), then to those that hold least
// of the other layers.
func (y *layer) shares(total int, held []int) []int {
	order := sorted(y.nodes, func(a, b int) int {
		if d := y.count[b] - y.count[a]; d != 0 {
			return d
		}
		return held[a] - held[b]
	})
	room := make([]int, y.nodes)
	for rank, i := range order {
		room[i] = total / y.nodes
		if rank < total%y.nodes {
			room[i]++
		}
	}
	return room
}

// repair makes copies equal least and count at most room, with few changes.
// It needs experts*least <= sum(room) and least <= number of nodes.
func (y *layer) repair() {
	for e := range y.experts {
		for y.copies[e] > y.replicas {
			y.flip(y.fullest(e), e)
		}
	}
	for i := range y.nodes {
		for y.free(i) < 0 {
			y.relieve(i)
		}
	}
	for e := range y.experts {
		for y.copies[e] < y.replicas {
			if i := y.roomiest(e, -1); i >= 0 {
				y.flip(i, e)
			} else {
				y.place(e)
			}
		}
	}
}

// fullest is the node that gives up a surplus copy of e.
func (y *layer) fullest(e int) int {
	best := -1
	for i := range y.nodes {
		if y.has(i, e) && y.mayLeave(e, i) && (best < 0 || y.free(i) <= y.free(best)) {
			best = i
		}
	}
	return best
}

// relieve takes one expert off the overfull node i: without a load if that can be,
// else one that can go straight to a node with room, if there is one, so that no
// third node is touched.
func (y *layer) relieve(i int) {
	if y.handBack(i) {
		return
	}
	held := y.list(i, nil)
	for k := len(held) - 1; k >= 0; k-- {
		if j := y.roomiest(held[k], i); j >= 0 {
			y.move(held[k], i, j)
			return
		}
	}
	y.flip(i, held[len(held)-1])
}

// handBack takes one expert off node i by the shortest chain of moves to nodes that
// held what they get before, and so load nothing. It tells whether there is one.
func (y *layer) handBack(i int) bool {
	trail, seen := make([]hop, y.nodes), make([]bool, y.nodes)
	seen[i] = true
	for queue := []hop{{i, -1, -1}}; len(queue) > 0; queue = queue[1:] {
		h := queue[0]
		trail[h.node] = h
		if y.free(h.node) > 0 {
			for ; h.from >= 0; h = trail[h.from] {
				y.move(h.moved, h.from, h.node)
			}
			return true
		}
		for j := range y.nodes {
			if e := y.returnable(h.node, j); !seen[j] && e >= 0 {
				seen[j] = true
				queue = append(queue, hop{j, h.node, e})
			}
		}
	}
	return false
}

// returnable is an expert of node i that node j held before and does not now; -1 if
// there is none.
func (y *layer) returnable(i, j int) int {
	theirs, before := y.heldBy(j), y.heldBefore(j)
	for k, mine := range y.heldBy(i) {
		for word := mine &^ theirs[k] & before[k]; word != 0; word &= word - 1 {
			if e := k<<6 + bits.TrailingZeros64(word); y.mayMove(e, i, j) {
				return e
			}
		}
	}
	return -1
}

// roomiest is the node with most room that does not hold e, and to which it may go
// from node from (-1: one more copy); -1 if there is none. Of equals the one that shares
// least with the other owners of e: when a node is lost, its work should not all fall to
// the same other one.
func (y *layer) roomiest(e, from int) int {
	most := 0
	for j, n := range y.count {
		if free := y.room[j] - n; free > most && !y.has(j, e) && y.mayMove(e, from, j) {
			most = free
		}
	}
	best, least := -1, math.MaxInt
	for j := 0; j < y.nodes && most > 0 && least > 0; j++ {
		if y.free(j) != most || y.has(j, e) || !y.mayMove(e, from, j) {
			continue
		}
		if n := y.sharedWithOwners(j, e); n < least {
			best, least = j, n
		}
	}
	return best
}

// sharedWithOwners counts the experts that node j has in common with the owners of
// e, each owner for itself.
func (y *layer) sharedWithOwners(j, e int) (n int) {
	mine := y.heldBy(j)
	for p, owners := range y.owners(e) {
		for ; owners != 0; owners &= owners - 1 {
			i := p<<6 + bits.TrailingZeros64(owners)
			for k, word := range y.heldBy(i) {
				n += bits.OnesCount64(word & mine[k])
			}
		}
	}
	return n
}
