package rollout

import (
	"fmt"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// switched returns what keeps Target from being in force everywhere; empty once
// every expert of it is loaded and every router uses it. A router that runs but
// does not answer may still use the old placement; one of another model uses none.
func (s *State) switched() string {
	target := s.Doc.Target
	if n := s.notLoaded(target, func(n Node) bool { return n.ReadyEpoch >= target.Epoch }); n != "" {
		return fmt.Sprintf("expert node %s to load its experts of placement %d", n, target.Epoch)
	}
	for _, r := range s.Routers {
		switch {
		case r.ServingEpoch >= target.Epoch || !r.Running || r.Model != nil && r.Model.Fingerprint != s.Doc.Model:
		case r.Model == nil:
			return fmt.Sprintf("router %s to answer", r.Name)
		default:
			return fmt.Sprintf("router %s to switch to placement %d", r.Name, target.Epoch)
		}
	}
	return ""
}

// notLoaded finds an expert of p none of whose owners is good, and returns its
// first owner; empty if every expert has a good one.
func (s *State) notLoaded(p *placement.Placement, good func(Node) bool) string {
	for l := range p.Layers {
		owner, fine := make([]string, p.Experts), make([]bool, p.Experts)
		for _, n := range p.Nodes {
			for _, e := range n.Experts[l] {
				fine[e] = fine[e] || good(s.Nodes[n.Name])
				if owner[e] == "" {
					owner[e] = n.Name
				}
			}
		}
		if e := slices.Index(fine, false); e >= 0 {
			return owner[e]
		}
	}
	return ""
}

// retarget replaces a Target that is no longer wanted and cannot come about. One
// that can is finished first: a router may switch to it at any moment, and nodes
// drop what only it needs as soon as they hear that it is gone.
//
// A Target with a lost node is replaced even if routers use it: its experts have
// no owner, so calls wait already. Serving is still loaded; a router goes back to
// it and starts its calls over, each under one epoch (invariant 3).
func (s *State) retarget(model *Model, waiting string) Decision {
	wait := Decision{Doc: s.Doc, Waiting: waiting}
	alive := func(n Node) bool { return n.Model != nil && !n.Stuck && !n.Lost }
	if s.notLoaded(s.Doc.Target, alive) == "" || s.fits(s.Doc.Target, model) && !s.lost(s.Doc.Target) {
		return wait
	}
	if !s.lost(s.Doc.Target) && s.inUse(s.Doc.Target) {
		return wait
	}
	from := s.Doc.Serving
	if from == nil {
		from = s.Doc.Target
	}
	return s.plan(model, from, s.Doc.Serving)
}

// fits says whether the wanted nodes are those of p, but for some that cannot
// join now.
func (s *State) fits(p *placement.Placement, model *Model) bool {
	wanted := func(n placement.Node) bool {
		return slices.ContainsFunc(s.Members, func(m placement.Node) bool { return m.Name == n.Name })
	}
	joins := func(m placement.Node) bool { return s.Nodes[m.Name].has(model.Fingerprint) }
	return !slices.ContainsFunc(p.Nodes, func(n placement.Node) bool { return !wanted(n) }) &&
		!slices.ContainsFunc(s.Members, func(m placement.Node) bool { return p.Node(m.Name) == nil && joins(m) })
}

// lost says whether a node of p is lost.
func (s *State) lost(p *placement.Placement) bool {
	return slices.ContainsFunc(p.Nodes, func(n placement.Node) bool { return s.Nodes[n.Name].Lost })
}

// inUse says whether a router uses p, or may.
func (s *State) inUse(p *placement.Placement) bool {
	return slices.ContainsFunc(s.Routers, func(r Router) bool { return r.Running && (r.Model == nil || r.ServingEpoch >= p.Epoch) })
}

// uncovered says whether p has an expert all of whose owners are lost.
func (s *State) uncovered(p *placement.Placement) bool {
	return p != nil && s.notLoaded(p, func(n Node) bool { return !n.Lost }) != ""
}
