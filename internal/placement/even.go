package placement

// even spreads exactly least copies of each expert so that nodes differ by
// at most one. held breaks ties, so that the nodes stay even over all layers.
func (y *layer) even(held []int) {
	y.room = y.shares(y.experts*y.least, held)
	y.repair()
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
		for y.copies[e] > y.least {
			y.flip(y.fullest(e), e)
		}
	}
	for i := range y.nodes {
		for y.free(i) < 0 {
			y.relieve(i)
		}
	}
	for e := range y.experts {
		for y.copies[e] < y.least {
			if i := y.roomiest(e); i >= 0 {
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
		if y.has(i, e) && (best < 0 || y.free(i) <= y.free(best)) {
			best = i
		}
	}
	return best
}

// relieve takes one expert off the overfull node i: one that can go straight to
// a node with room, if there is one, so that no third node is touched.
func (y *layer) relieve(i int) {
	held := y.list(i, nil)
	for k := len(held) - 1; k >= 0; k-- {
		if j := y.roomiest(held[k]); j >= 0 {
			y.move(held[k], i, j)
			return
		}
	}
	y.flip(i, held[len(held)-1])
}

// roomiest is the node with most room that does not hold e; -1 if none has room.
func (y *layer) roomiest(e int) int {
	best := -1
	for j := range y.nodes {
		if y.free(j) > 0 && (best < 0 || y.free(j) > y.free(best)) && !y.has(j, e) {
			best = j
		}
	}
	return best
}
