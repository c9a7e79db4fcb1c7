package planner

import (
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Plan places every expert. Deterministic: the same request gives the same
// placement. Kept in every result (Validate checks it):
//   - each expert of each layer is on at least Replicas nodes (Cover: on one);
//   - no node holds an expert twice, or more than SlotsPerNode of a layer;
//   - each expert is in at least as many Domains as Replicas, or as there are, as far as
//     the room of the nodes allows that (Crowded counts the others).
//
// Without loads the experts are spread evenly and the fewest possible of them
// change nodes. With loads, spare slots go to the hottest experts and the busiest
// node of each layer gets as little as the search finds. From a current placement
// what must change changes; what else changes has to be worth its loads (MinGain,
// MaxMoves), and never makes a busiest node busier.
func Plan(r Request) (*placement.Placement, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	p := &placement.Placement{Epoch: r.Epoch, Layers: r.Layers, Experts: r.Experts, Nodes: make([]placement.Node, len(r.Nodes))}
	lists := make([][]int, len(r.Nodes)*r.Layers)
	for i, n := range r.Nodes {
		p.Nodes[i] = placement.Node{Name: n.Name, Address: n.Address, Experts: lists[i*r.Layers : (i+1)*r.Layers]}
	}
	now := r.nodesOf(r.Current)
	if r.Loads == nil && r.Cover {
		r.Loads = alike(r.Layers, r.Experts) // to spread them evenly would move others
	}
	if r.Loads != nil {
		r.byLoad(p, now)
	} else {
		r.evenly(p, now)
	}
	return p, nil
}

// alike are loads that are all the same.
func alike(layers, experts int) [][]float64 {
	row := make([]float64, experts)
	for e := range row {
		row[e] = 1
	}
	return slices.Repeat([][]float64{row}, layers)
}

// evenly plans without loads.
func (r *Request) evenly(p *placement.Placement, now []*placement.Node) {
	held := make([]int, len(r.Nodes)) // experts on each node, in the layers done so far
	same := make([]int, len(r.Nodes))
	for i := range same {
		same[i] = i
	}
	room, limit := r.slots(r.Current), r.Experts
	if r.limited() {
		limit = slices.Max(room)
	}
	y := newLayer(r.Experts, len(r.Nodes), r.Replicas, r.domains(room))
	for l := range r.Layers {
		y.clear()
		y.keep(now, l)
		y.even(held, limit)
		write(p, l, y.holds, same)
		for i, n := range y.count {
			held[i] += n
		}
	}
}

// byLoad plans each layer by itself; only MaxMoves is shared, and, where nothing is
// held yet, which node gets which set.
func (r *Request) byLoad(p *placement.Placement, now []*placement.Node) {
	room, dom := r.rooms()
	drafts, left := r.drafts(now, room, dom)
	if r.MaxMoves > 0 {
		spend(drafts, r.MinGain, left)
	}
	v := newLeveller(room, dom)
	for l := range drafts {
		d := &drafts[l]
		d.finish(len(r.Nodes))
		if d.blank {
			write(p, l, d.holds, v.level(d.load))
		} else {
			write(p, l, d.holds, v.stay(d.load))
		}
	}
}

// write puts a layer's sets into the placement, set i on node[i].
func write(p *placement.Placement, l int, holds []uint64, node []int) {
	words := len(holds) / len(p.Nodes)
	all := make([]int, 0, members(holds))
	for i := range p.Nodes {
		start := len(all)
		all = listed(holds[i*words:][:words], all)
		p.Nodes[node[i]].Experts[l] = all[start:len(all):len(all)]
	}
}

// nodesOf finds what each of the request's nodes holds in p, nil if nothing.
func (r *Request) nodesOf(p *placement.Placement) []*placement.Node {
	now := make([]*placement.Node, len(r.Nodes))
	if p == nil {
		return now
	}
	at := make(map[string]int, len(p.Nodes))
	for i := len(p.Nodes) - 1; i >= 0; i-- {
		at[p.Nodes[i].Name] = i
	}
	for i, n := range r.Nodes {
		if k, ok := at[n.Name]; ok {
			now[i] = &p.Nodes[k]
		}
	}
	return now
}

// limited says whether nodes have a limit of slots at all.
func (r *Request) limited() bool { return r.SlotsPerNode > 0 || r.Slots > 0 }

// rooms are the slots, shifted to domains that need more where there is no limit.
func (r *Request) rooms() ([]int, *domains) {
	room := r.slots(r.Current)
	dom := r.domains(room)
	if dom != nil && !r.limited() {
		dom.widen(room, r.Experts, r.Experts, make([]int, len(room)))
	}
	return room, dom
}

// maxCopies is how many copies of an expert SlotsPerNode may lead to, on average: what is
// left of it on more nodes stays empty, but what nodes hold already stays. A placement of
// the largest pool then fits where it is kept (docs/adr/0152), and every other node has each
// expert.
const maxCopies = 128

// slots is the room of each node when loads are known: what the request says,
// or just enough for every replica. now is the placement that is there, nil if none.
func (r *Request) slots(now *placement.Placement) []int {
	n := len(r.Nodes)
	total := r.Slots
	if total == 0 {
		total = min(n*r.SlotsPerNode, r.Experts*max(maxCopies, r.Replicas))
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
	if limit := min(r.SlotsPerNode, r.Experts); r.Slots == 0 && total < n*limit {
		for i, node := range r.nodesOf(now) {
			if node != nil {
				room[i] = max(room[i], min(limit, mostHeld(node)))
			}
		}
	}
	return room
}

// mostHeld is how many experts of a layer a node holds, of that of which it holds most.
func mostHeld(n *placement.Node) (most int) {
	for _, held := range n.Experts {
		most = max(most, len(held))
	}
	return most
}
