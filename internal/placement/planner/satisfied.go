package planner

import (
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Satisfied says whether p is what the request wants, but for its loads and domains
// (Crowded): the same model and nodes, no node beyond its room, or, where nothing limits
// that, no more copies in all than there is room for, and enough of each expert. So it
// does not depend on which nodes share a domain at the moment. p is nil or valid.
func (r *Request) Satisfied(p *placement.Placement) bool {
	if p == nil || len(p.Nodes) != len(r.Nodes) || p.Layers != r.Layers || p.Experts != r.Experts {
		return false
	}
	room := r.slots(p)
	most := sum(room)
	if !r.limited() {
		room = filled(len(room), r.Experts)
	}
	for i, n := range p.Nodes {
		if n.Name != r.Nodes[i].Name || n.Address != r.Nodes[i].Address {
			return false
		}
		if slices.ContainsFunc(n.Experts, func(held []int) bool { return len(held) > room[i] }) {
			return false
		}
	}
	for l := range p.Layers {
		if copies := p.Copies(l); slices.Min(copies) < r.Replicas || sum(copies) > most {
			return false
		}
	}
	return true
}
