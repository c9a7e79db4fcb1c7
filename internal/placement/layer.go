package placement

import (
	"cmp"
	"slices"
)

// layer is one layer's placement while it is being made.
type layer struct {
	experts int
	on      [][]bool // on[i][e]: node i holds expert e
	count   []int    // experts on node i
	copies  []int    // nodes that hold expert e
	room    []int    // how many experts node i may hold
	want    []int    // how many copies of expert e there shall be
}

func newLayer(experts, nodes int) *layer {
	y := &layer{experts: experts, on: make([][]bool, nodes), count: make([]int, nodes), copies: make([]int, experts)}
	for i := range y.on {
		y.on[i] = make([]bool, experts)
	}
	return y
}

// keep starts from what the nodes hold now. Entries out of range are ignored:
// a placement for another model keeps nothing.
func (y *layer) keep(current *Placement, nodes []Node, l int) {
	if current == nil {
		return
	}
	for i, n := range nodes {
		was := current.Node(n.Name)
		if was == nil || l >= len(was.Experts) {
			continue
		}
		for _, e := range was.Experts[l] {
			if e >= 0 && e < y.experts && !y.on[i][e] {
				y.add(i, e)
			}
		}
	}
}

func (y *layer) add(i, e int) {
	y.on[i][e] = true
	y.count[i]++
	y.copies[e]++
}

func (y *layer) drop(i, e int) {
	y.on[i][e] = false
	y.count[i]--
	y.copies[e]--
}

func (y *layer) move(e, from, to int) {
	y.drop(from, e)
	y.add(to, e)
}

func (y *layer) list(i int) []int {
	held := make([]int, 0, y.count[i])
	for e, ok := range y.on[i] {
		if ok {
			held = append(held, e)
		}
	}
	return held
}

// repair makes copies equal want and count at most room, with few changes.
// prefer orders the nodes that could take an expert (nil: the one with most room).
// It needs sum(want) <= sum(room) and want <= number of nodes.
func (y *layer) repair(prefer func(a, b int) int) {
	if prefer == nil {
		prefer = func(a, b int) int { return y.free(b) - y.free(a) }
	}
	for e := range y.experts {
		for y.copies[e] > y.want[e] {
			y.drop(y.fullest(e), e)
		}
	}
	for i := range y.on {
		for y.free(i) < 0 {
			y.relieve(i, prefer)
		}
	}
	for e := range y.experts {
		for y.copies[e] < y.want[e] {
			y.place(e, prefer)
		}
	}
}

func (y *layer) free(i int) int { return y.room[i] - y.count[i] }

// fullest is the node that gives up a surplus copy of e.
func (y *layer) fullest(e int) int {
	best := -1
	for i := range y.on {
		if y.on[i][e] && (best < 0 || y.free(i) <= y.free(best)) {
			best = i
		}
	}
	return best
}

// relieve takes one expert off the overfull node i: one that can go straight to
// a node with room, if there is one, so that no third node is touched.
func (y *layer) relieve(i int, prefer func(a, b int) int) {
	for e := y.experts - 1; e >= 0; e-- {
		if !y.on[i][e] {
			continue
		}
		if j := y.roomFor(e, prefer); j >= 0 {
			y.move(e, i, j)
			return
		}
	}
	y.drop(i, slices.Max(y.list(i)))
}

// roomFor is the node to prefer of those that have room and do not hold e; -1 if
// there is none.
func (y *layer) roomFor(e int, prefer func(a, b int) int) int {
	best := -1
	for j := range y.on {
		if y.free(j) > 0 && !y.on[j][e] && (best < 0 || prefer(j, best) < 0) {
			best = j
		}
	}
	return best
}

// place adds a copy of e: on a node with room, or, where all of those hold e
// already, through the shortest chain of moves that frees a place (a breadth-first
// augmenting path, so it finds one whenever there is one).
func (y *layer) place(e int, prefer func(a, b int) int) {
	type step struct{ node, from, moved int } // moved went from node `from` to `node`
	order := sorted(len(y.on), prefer)
	var queue []step
	seen := make([]bool, len(y.on))
	for _, i := range order {
		if !y.on[i][e] {
			seen[i] = true
			queue = append(queue, step{i, -1, e})
		}
	}
	trail := make([]step, len(y.on))
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		trail[s.node] = s
		if y.free(s.node) > 0 {
			for ; s.from >= 0; s = trail[s.from] {
				y.move(s.moved, s.from, s.node)
			}
			y.add(s.node, e)
			return
		}
		for _, j := range order {
			if f := y.movable(s.node, j); !seen[j] && f >= 0 {
				seen[j] = true
				queue = append(queue, step{j, s.node, f})
			}
		}
	}
	panic("placement: no room for an expert although check() found enough slots")
}

// movable is an expert that node i could give to node j, or -1.
func (y *layer) movable(i, j int) int {
	for e := y.experts - 1; e >= 0; e-- {
		if y.on[i][e] && !y.on[j][e] {
			return e
		}
	}
	return -1
}

// sorted lists 0..n-1 by less, ties by number.
func sorted(n int, compare func(a, b int) int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Or(compare(a, b), cmp.Compare(a, b)) })
	return order
}

func filled(n, v int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = v
	}
	return s
}
