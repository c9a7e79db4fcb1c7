package rollout

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// plan makes a new Target from what is there, with serving kept in force. Where
// serving is still as wanted it stays, unless loads ask for a change.
func (s *State) plan(model *Model, from, serving *placement.Placement) Decision {
	stay := Decision{Doc: s.Doc}
	if err := s.checkSlots(model); err != nil {
		return s.refuse(model, serving, &Problem{v1alpha1.ReasonNotEnoughSlots, err.Error() + " (experts.slotsPerNode and expertNodes in the spec)"})
	}
	if s.uncovered(serving) {
		if d, ok := s.cover(model, serving); ok {
			return d
		}
	}
	nodes, waiting := s.joinable(from, model.Fingerprint)
	stay.Waiting = waiting
	if waiting != "" {
		return stay
	}
	request := s.request(model, nodes)
	if len(nodes) < len(s.Members) {
		request = affordable(request)
	}
	if request.Satisfied(serving) { // whichever expert is where: who moves them for balance's sake is rebalance
		if s.Doc.Target == nil {
			if d, ok := s.spread(request); ok {
				return d
			}
			return s.rebalance(request)
		}
		return Decision{Doc: &placement.Document{Revision: s.revision(), Model: s.Doc.Model, Serving: serving}}
	}
	request.Current, request.Cover = from, s.uncovered(serving)
	next, err := target(structural(request), serving)
	switch {
	case tooLarge(err):
		return s.refuse(model, serving, &Problem{v1alpha1.ReasonPlacementTooLarge, err.Error() + " (expertNodes, experts.replicasPerExpert and experts.slotsPerNode in the spec)"})
	case err != nil: // some nodes are stuck or lost, and the others have no room
		stay.Waiting = "more expert nodes: " + err.Error()
		return stay
	}
	return s.prepare(model, serving, next)
}

// refuse says why the spec cannot be met. What serves stays in force, and what lost nodes
// hold of it is given to others.
func (s *State) refuse(model *Model, serving *placement.Placement, why *Problem) Decision {
	d, _ := s.cover(model, serving)
	d.Problem = why
	return d
}

// prepare publishes target beside serving, and no second time: the same placement would
// have another number, and all that pods have loaded for it would count for nothing.
func (s *State) prepare(model *Model, serving, target *placement.Placement) Decision {
	next := s.toward(model.Fingerprint, serving, target)
	next.Doc.Urgent = s.uncovered(serving)
	if d := s.Doc; d != nil && d.Target.Same(target) && d.Serving == serving && d.Model == next.Doc.Model && d.Urgent == next.Doc.Urgent {
		return Decision{Doc: d, Waiting: s.switched()}
	}
	return next
}

// toward publishes target beside serving.
func (s *State) toward(model string, serving, target *placement.Placement) Decision {
	return Decision{Waiting: fmt.Sprintf("pods to take placement %d", target.Epoch), Doc: &placement.Document{
		Revision: s.revision(), Model: model, Serving: serving, Target: target,
	}}
}

// cover gives what lost nodes hold to others of the placement in force: where calls wait
// for experts without any owner only those, so that it is soon done and all else comes
// after; or while the spec cannot be met and nothing else changes. Nodes that hold nothing
// yet come in the step after it: a node that has come in with a few experts is filled by the
// balancer alone, which may be off. False if there is nothing to be done, or no room for it;
// then plan takes all nodes.
func (s *State) cover(model *Model, serving *placement.Placement) (Decision, bool) {
	if serving == nil || !s.lost(serving) {
		return Decision{Doc: s.Doc}, false
	}
	var nodes []placement.Node
	for _, n := range serving.Nodes {
		if !s.Nodes[n.Name].Lost {
			nodes = append(nodes, placement.Node{Name: n.Name, Address: n.Address})
		}
	}
	r := affordable(s.request(model, nodes))
	r.Current, r.Cover = serving, s.uncovered(serving)
	next, err := target(structural(r), serving)
	for ; tooLarge(err) && r.Replicas > 1; next, err = target(structural(r), serving) {
		r.Replicas-- // as many as can be published, where the spec asks for more
	}
	if err != nil { // there is no room
		return Decision{Doc: s.Doc}, false
	}
	return s.prepare(model, serving, next), true
}

// request asks for what the spec wants on the nodes.
func (s *State) request(model *Model, nodes []placement.Node) planner.Request {
	return planner.Request{
		Layers: model.Layers, Experts: model.Experts, Nodes: nodes, Domains: s.Machines, Loads: s.loads(model),
		Replicas: min(s.Replicas, len(nodes)), SlotsPerNode: s.SlotsPerNode, Epoch: s.epoch(),
	}
}

// checkSlots refuses what the wanted nodes can never hold, whether they are there
// or not.
func (s *State) checkSlots(model *Model) error {
	r := s.request(model, s.Members)
	r.Replicas = s.Replicas
	return r.Check()
}

// joinable are the wanted nodes that take part in a plan: those in the placement
// already, and those that reported. A node that is on its way is waited for, so
// that experts move once; a stuck or lost one, or one of another model, is not, if
// there is a placement to go on with.
func (s *State) joinable(from *placement.Placement, fingerprint string) ([]placement.Node, string) {
	var nodes []placement.Node
	for _, m := range s.Members {
		n := s.Nodes[m.Name]
		switch {
		case n.Lost && from != nil:
			continue
		case from != nil && from.Node(m.Name) != nil:
		case n.has(fingerprint):
		case from != nil && (n.Stuck || n.Model != nil || s.lost(from)):
			continue
		default:
			return nil, fmt.Sprintf("expert node %s to report", m.Name)
		}
		nodes = append(nodes, m)
	}
	if len(nodes) == 0 {
		return nil, "an expert node to answer"
	}
	return nodes, ""
}
