package placement

// Plan places every expert. Deterministic: the same request gives the same
// placement. Kept in every result (Validate checks it):
//   - each expert of each layer is on at least Replicas nodes;
//   - no node holds an expert twice, or more than SlotsPerNode of a layer.
//
// Without loads the experts are spread evenly and the fewest possible of them
// change nodes. With loads, spare slots go to the hottest experts, and experts
// move while that lowers the busiest node's load.
func Plan(r Request) (*Placement, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	p := &Placement{Epoch: r.Epoch, Layers: r.Layers, Experts: r.Experts}
	for _, n := range r.Nodes {
		p.Nodes = append(p.Nodes, Node{Name: n.Name, Address: n.Address, Experts: make([][]int, r.Layers)})
	}
	held := make([]int, len(r.Nodes)) // experts on each node, in the layers done so far
	for l := range r.Layers {
		y := newLayer(r.Experts, len(r.Nodes))
		y.keep(r.Current, r.Nodes, l)
		if r.Loads == nil {
			y.even(r.Replicas, held)
		} else {
			y.byLoad(r.Loads[l], r.Replicas, r.slots())
		}
		for i := range p.Nodes {
			p.Nodes[i].Experts[l] = y.list(i)
			held[i] += y.count[i]
		}
	}
	return p, nil
}

// slots is the room of each node when loads are known: what the request says,
// or just enough for every replica.
func (r *Request) slots() []int {
	n := len(r.Nodes)
	total := r.Slots
	if total == 0 {
		total = n * r.SlotsPerNode
	}
	if total == 0 {
		total = n * ceilDiv(r.Experts*r.Replicas, n)
	}
	room := make([]int, n)
	for i := range room {
		room[i] = total / n
		if i < total%n {
			room[i]++
		}
		room[i] = min(room[i], r.Experts)
	}
	return room
}

// even spreads exactly replicas copies of each expert so that nodes differ by
// at most one. held breaks ties, so that the nodes stay even over all layers.
func (y *layer) even(replicas int, held []int) {
	y.want = filled(y.experts, replicas)
	y.room = y.shares(y.experts*replicas, held)
	y.repair(nil)
}

// shares splits total over the nodes. The larger shares go to the nodes that
// hold most of this layer already (fewest moves), then to those that hold least
// of the other layers.
func (y *layer) shares(total int, held []int) []int {
	order := sorted(len(y.count), func(a, b int) int {
		if d := y.count[b] - y.count[a]; d != 0 {
			return d
		}
		return held[a] - held[b]
	})
	room := make([]int, len(y.count))
	for rank, i := range order {
		room[i] = total / len(room)
		if rank < total%len(room) {
			room[i]++
		}
	}
	return room
}
