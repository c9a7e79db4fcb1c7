package planner

import (
	"cmp"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// domains say which nodes are lost together: a machine takes all that runs on it.
// Nil where the rule asks for nothing: one replica, one domain, or each node in a
// domain of its own.
type domains struct {
	want  int      // in how many domains each expert shall have a copy
	of    []int    // domain of node i
	nodes [][]int  // of domain d, ascending
	sets  []uint64 // the same as bits: sets[d*places:][:places]
}

// domains numbers them in the order of their first nodes. Only those with room count.
func (r *Request) domains(room []int) *domains {
	if r.Replicas < 2 || len(r.Domains) == 0 {
		return nil
	}
	d, number, useful := &domains{of: make([]int, len(r.Nodes))}, map[string]int{}, 0
	for i, n := range r.Nodes {
		name := r.Domains[n.Name]
		k, known := number[name]
		if !known || name == "" {
			k = len(d.nodes)
			number[name], d.nodes = k, append(d.nodes, nil)
		}
		d.of[i], d.nodes[k] = k, append(d.nodes[k], i)
	}
	for _, list := range d.nodes {
		if slices.ContainsFunc(list, func(i int) bool { return room[i] > 0 }) {
			useful++
		}
	}
	if d.want = min(r.Replicas, useful); d.want < 2 || len(d.nodes) == len(r.Nodes) {
		return nil
	}
	d.mark()
	return d
}

func (d *domains) mark() {
	places := (len(d.of) + 63) / 64
	d.sets = make([]uint64, len(d.nodes)*places)
	for i, k := range d.of {
		d.sets[k*places+i>>6] |= 1 << (i & 63)
	}
}

// widen shifts room to domains that are too small for every expert to have copies in
// d.want domains, from those that have more than they can use for it, one slot at a time: to
// the node with least room, up to limit, from the one with most. Of equals the node
// gets it that holds more, so that a plan from its own result changes nothing.
func (d *domains) widen(room []int, experts, limit int, count []int) {
	size, missing := make([]int, len(d.nodes)), d.want*experts
	for k, list := range d.nodes {
		for _, i := range list {
			size[k] += room[i]
		}
		missing -= min(size[k], experts)
	}
	roomier := func(i, j int) int { return cmp.Or(cmp.Compare(room[i], room[j]), cmp.Compare(count[j], count[i])) }
	for ; missing > 0; missing-- {
		from, to := -1, -1
		for i, k := range d.of {
			if size[k] > experts && (from < 0 || roomier(i, from) > 0) {
				from = i
			}
			if size[k] < experts && room[i] < limit && (to < 0 || roomier(i, to) < 0) {
				to = i
			}
		}
		if from < 0 || to < 0 {
			return
		}
		room[from], room[to] = room[from]-1, room[to]+1
		size[d.of[from]], size[d.of[to]] = size[d.of[from]]-1, size[d.of[to]]+1
	}
}

// alike says whether the nodes of two domains have the same room, one by one.
func (d *domains) alike(a, b int, room []int) bool {
	return slices.EqualFunc(d.nodes[a], d.nodes[b], func(i, j int) bool { return room[i] == room[j] })
}

// Crowded counts the experts, of all layers, whose copies lie in fewer domains than
// they should (Domains): with two replicas, those that the loss of one domain takes
// all copies of. After a Plan it is 0, or as near to 0 as the room allows: Plan loads
// as many experts as that takes.
func (r *Request) Crowded(p *placement.Placement) (count int) {
	d := r.domains(r.slots(r.Current))
	if d == nil {
		return 0
	}
	y, now := newLayer(p.Experts, len(r.Nodes), r.Replicas, d), r.nodesOf(p)
	for l := range p.Layers {
		y.clear()
		y.keep(now, l)
		for _, n := range y.domainsOf {
			count += b2i(n < d.want)
		}
	}
	return count
}
