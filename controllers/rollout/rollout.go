// Package rollout decides the next step of a pool's placement. It is pure: what
// is published and what the pods report in, the next document out. There is no
// step counter and no memory, so an operator that starts anywhere in the middle
// goes on from there.
//
// Make before break (invariant 3), one step for each row:
//
//	published            pods report                               next
//	nothing              all nodes are there                       Target = plan
//	Serving, no Target   an expert lost its last owner             Target = plan, for such experts alone
//	Serving, no Target   nodes came, went or are lost              Target = plan
//	Serving, no Target   copies share a machine, others do not     Target = plan
//	Serving, no Target   loads make moves worth their bytes        Target = plan
//	Target               nodes loaded it and routers switched      Serving = Target
//	Target, unwanted     it cannot come about                      Target = new plan, or none
//	else                                                           wait
package rollout

import (
	"fmt"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// State is all that a decision depends on.
type State struct {
	// Members are the nodes that the spec wants, by ordinal.
	Members []placement.Node
	// Replicas of each expert, SlotsPerNode per layer (0: no limit).
	Replicas, SlotsPerNode int
	// Machines are what the nodes run on, by name; those of which that is not known are
	// taken to be alone.
	Machines map[string]string
	// PartMoves is how many experts nodes may load now to part copies of an expert that
	// share a machine, which wait for that; 0: none now.
	PartMoves int
	// Loads are what each layer's experts cost in the last window, [layer][expert]; nil
	// if that is not known.
	Loads [][]float64
	// Rebalance: experts may move because of Loads; nil: not now.
	Rebalance *Rebalance
	// Doc is what is published; nil if nothing is.
	Doc *placement.Document
	// Nodes are the expert-node pods by name, also those that are not wanted.
	Nodes map[string]Node
	// Routers are the router pods.
	Routers []Router
}

// Model is what a placement has to know about a checkpoint.
type Model struct {
	Fingerprint     string
	Layers, Experts int
}

// Node is an expert-node pod.
type Node struct {
	Model      *Model // nil: the pod has not reported
	Revision   int64
	ReadyEpoch int64
	// Stuck: the pod cannot start until somebody acts. Nobody waits for it.
	Stuck bool
	// Lost: the pod has been silent for so long that its experts need other owners.
	Lost bool
}

// has says whether the pod has told that it sees the model.
func (n Node) has(fingerprint string) bool {
	return n.Model != nil && n.Model.Fingerprint == fingerprint
}

// Router is a router pod.
type Router struct {
	Name         string
	Model        *Model // nil: the pod has not reported
	Revision     int64
	ServingEpoch int64
	// Running: its container runs, so it may be using a placement even if it
	// does not answer.
	Running bool
}

// Reason words of a Problem, as the API's conditions have them.
const (
	ModelMismatch  = "ModelMismatch"
	NotEnoughSlots = "NotEnoughSlots"
)

// Problem needs somebody to act.
type Problem struct{ Reason, Message string }

// Decision is what to do.
type Decision struct {
	// Doc is the document to publish; the State's own if nothing changes.
	Doc *placement.Document
	// Nodes is how many pods there must be: as many as wanted, and no fewer than
	// a published placement uses.
	Nodes int
	// Waiting says for what, empty at rest.
	Waiting string
	Problem *Problem
	// AsWanted: the placement in force, of Doc, is what the spec wants on the wanted
	// nodes. A Target beside it then moves experts for their load or machines only.
	AsWanted bool
	// Balance is what was found about the loads; nil if it was not looked at.
	Balance *Balance
	// Apart is what Doc's Target does for copies that share a machine; nil if it is made
	// for something else.
	Apart *Apart
}

// Decide takes the next step.
func Decide(s State) Decision {
	d := s.next()
	d.Nodes = max(len(s.Members), used(d.Doc))
	d.AsWanted = d.Doc != nil && s.satisfied(d.Doc.Serving)
	return d
}

// satisfied says whether p is what the spec wants.
func (s *State) satisfied(p *placement.Placement) bool {
	if p == nil {
		return false
	}
	r := s.request(&Model{Layers: p.Layers, Experts: p.Experts}, s.Members)
	return r.Satisfied(p)
}

func (s *State) next() Decision {
	model, fresh, problem := s.model()
	switch {
	case model == nil && problem == nil:
		return Decision{Doc: s.Doc, Waiting: "an expert node to report its model"}
	case model == nil:
		return Decision{Doc: s.Doc, Problem: problem}
	}
	d := s.step(model, fresh)
	if problem != nil { // of a pod that nothing published needs: the others go on
		d.Problem = problem
	}
	return d
}

// step is the next one of a pool whose model is known.
func (s *State) step(model *Model, fresh bool) Decision {
	switch {
	case fresh || s.Doc == nil:
		return s.plan(model, nil, nil)
	case s.Doc.Target == nil:
		return s.plan(model, s.Doc.Serving, s.Doc.Serving)
	}
	if waiting := s.switched(); waiting != "" {
		return s.retarget(model, waiting)
	}
	return Decision{Waiting: "pods to drop what they no longer need", Doc: &placement.Document{
		Revision: s.revision(), Model: s.Doc.Model, Serving: s.Doc.Target,
	}}
}

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
	if !s.lost(s.Doc.Target) && s.used(s.Doc.Target) {
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

// plan makes a new Target from what is there, with serving kept in force. Where
// serving is still as wanted it stays, unless loads ask for a change.
func (s *State) plan(model *Model, from, serving *placement.Placement) Decision {
	stay := Decision{Doc: s.Doc}
	if err := s.checkSlots(model); err != nil {
		d, _ := s.cover(model, serving)
		d.Problem = &Problem{NotEnoughSlots, err.Error() + " (experts.slotsPerNode and expertNodes in the spec)"}
		return d
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
			if d, ok := s.part(request); ok {
				return d
			}
			return s.rebalance(request)
		}
		return Decision{Doc: &placement.Document{Revision: s.revision(), Model: s.Doc.Model, Serving: serving}}
	}
	request.Current, request.Cover = from, s.uncovered(serving)
	target, err := placement.Plan(structural(request))
	if err != nil { // some nodes are stuck or lost, and the others have no room
		stay.Waiting = "more expert nodes: " + err.Error()
		return stay
	}
	return s.prepare(model, serving, target)
}

// prepare publishes target beside serving, and no second time: the same placement would
// have another number, and all that pods have loaded for it would count for nothing.
func (s *State) prepare(model *Model, serving, target *placement.Placement) Decision {
	next := &placement.Document{Revision: s.revision(), Model: model.Fingerprint, Serving: serving, Target: target, Urgent: s.uncovered(serving)}
	if d := s.Doc; d != nil && d.Target.Same(target) && d.Serving == serving && d.Model == next.Model && d.Urgent == next.Urgent {
		return Decision{Doc: d, Waiting: s.switched()}
	}
	return Decision{Waiting: fmt.Sprintf("pods to take placement %d", target.Epoch), Doc: next}
}

// cover gives what lost nodes hold to others of the placement in force: where calls wait
// for experts without any owner only those, so that it is soon done and all else comes
// after; or while the spec cannot be met and nothing else changes. False if there is
// nothing to be done, or no room for it.
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
	target, err := placement.Plan(structural(r))
	if err != nil { // there is no room
		return Decision{Doc: s.Doc}, false
	}
	return s.prepare(model, serving, target), true
}

// request asks for what the spec wants on the nodes.
func (s *State) request(model *Model, nodes []placement.Node) placement.Request {
	return placement.Request{
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

// lost says whether a node of p is lost.
func (s *State) lost(p *placement.Placement) bool {
	return slices.ContainsFunc(p.Nodes, func(n placement.Node) bool { return s.Nodes[n.Name].Lost })
}

// used says whether a router uses p, or may.
func (s *State) used(p *placement.Placement) bool {
	return slices.ContainsFunc(s.Routers, func(r Router) bool { return r.Running && (r.Model == nil || r.ServingEpoch >= p.Epoch) })
}

// uncovered says whether p has an expert all of whose owners are lost.
func (s *State) uncovered(p *placement.Placement) bool {
	return p != nil && s.notLoaded(p, func(n Node) bool { return !n.Lost }) != ""
}
