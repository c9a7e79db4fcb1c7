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

import "github.com/olmoe-serving/olmoe-operator/internal/placement"

// Decide takes the next step.
func Decide(s State) Decision {
	d := s.next()
	d.Nodes = max(len(s.Members), podsNeeded(d.Doc))
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
