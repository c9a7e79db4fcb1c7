package placement

// byLoad places by load: copies first (Replicas each, the spare slots to the
// experts with the most tokens per copy), then nodes, then exchanges between the
// busiest node and the others as long as they lower its load.
//
// Greedy copies are the best choice for the largest load per copy (each step
// treats the current maximum); placing in falling order of load is Graham's LPT
// rule; the exchanges are a local search with at most maxExchanges steps.
func (y *layer) byLoad(loads []float64, replicas int, room []int) {
	y.room = room
	y.want = spread(loads, replicas, len(room), sum(room))
	w := y.perCopy(loads)
	fresh := sum(y.count) == 0
	if fresh {
		y.inFallingOrder(w)
	} else {
		y.repair(func(a, b int) int { return compareFloat(y.load(a, w), y.load(b, w)) })
	}
	for range maxExchanges {
		if !y.exchange(w) {
			return
		}
	}
}

// maxExchanges bounds the local search. 1,024 is far above what it took on any
// case of 64 experts on 64 nodes (under 100).
const maxExchanges = 1024

// spread decides how many copies each expert gets: at least replicas, at most
// one a node, slots in all.
func spread(loads []float64, replicas, nodes, slots int) []int {
	want := filled(len(loads), replicas)
	for spare := slots - replicas*len(loads); spare > 0; spare-- {
		hot := -1
		for e, w := range loads {
			if want[e] < nodes && w > 0 && (hot < 0 || w*float64(want[hot]) > loads[hot]*float64(want[e])) {
				hot = e
			}
		}
		if hot < 0 {
			break
		}
		want[hot]++
	}
	return want
}

func (y *layer) perCopy(loads []float64) []float64 {
	w := make([]float64, len(loads))
	for e := range w {
		w[e] = loads[e] / float64(y.want[e])
	}
	return w
}

// load is the sum of what node i holds, in ascending order of experts.
func (y *layer) load(i int, w []float64) float64 {
	var s float64
	for e, ok := range y.on[i] {
		if ok {
			s += w[e]
		}
	}
	return s
}

func (y *layer) inFallingOrder(w []float64) {
	lightest := func(a, b int) int { return compareFloat(y.load(a, w), y.load(b, w)) }
	for _, e := range sorted(y.experts, func(a, b int) int { return compareFloat(w[b], w[a]) }) {
		for y.copies[e] < y.want[e] {
			y.placeOnRoom(e, lightest)
		}
	}
}

// placeOnRoom takes the best node that has room, and only if there is none
// lets place move others.
func (y *layer) placeOnRoom(e int, prefer func(a, b int) int) {
	best := y.roomFor(e, prefer)
	if best < 0 {
		y.place(e, prefer)
		return
	}
	y.add(best, e)
}

// exchange makes the one change that lowers the load of a busiest node most: it
// gives an expert away, or swaps one for a lighter one. False if none helps.
func (y *layer) exchange(w []float64) bool {
	load := make([]float64, len(y.on))
	busy := 0
	for i := range load {
		load[i] = y.load(i, w)
		if load[i] > load[busy] {
			busy = i
		}
	}
	best := swap{worst: load[busy] * (1 - minGain)}
	for j := range y.on {
		if j != busy {
			y.bestSwap(&best, busy, j, load, w)
		}
	}
	if best.node == nil {
		return false
	}
	y.move(best.give, busy, *best.node)
	if best.take >= 0 {
		y.move(best.take, *best.node, busy)
	}
	return true
}

// minGain is the smallest relative gain that is worth a move; it also keeps
// rounding errors from swapping to and fro.
const minGain = 1e-9

// swap is an exchange: give goes to node, take (or -1) comes back.
type swap struct {
	give, take int
	node       *int
	worst      float64 // the larger of the two nodes' loads afterwards
}

func (y *layer) bestSwap(best *swap, busy, j int, load, w []float64) {
	try := func(give, take int, d float64) {
		if worst := max(load[busy]-d, load[j]+d); worst < best.worst {
			*best = swap{give, take, &j, worst}
		}
	}
	for e, held := range y.on[busy] {
		if !held || y.on[j][e] {
			continue
		}
		if y.free(j) > 0 {
			try(e, -1, w[e])
		}
		for f, there := range y.on[j] {
			if there && !y.on[busy][f] {
				try(e, f, w[e]-w[f])
			}
		}
	}
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func sum(s []int) (n int) {
	for _, v := range s {
		n += v
	}
	return n
}
