package rollout

import (
	"fmt"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// model is the checkpoint that the pool serves: the published one, or, before
// that, the first node's. fresh says that all pods have moved to another one
// together, so that placing starts anew. A pod of another model is a problem; the
// others go on (a model beside it) if nothing published needs that pod.
func (s *State) model() (model *Model, fresh bool, problem *Problem) {
	seen := s.reported()
	if len(seen) == 0 {
		return nil, false, nil
	}
	want := seen[0].model
	published := s.Doc != nil && s.Doc.Model != ""
	if published {
		if s.all(seen, want.Fingerprint) {
			return want, want.Fingerprint != s.Doc.Model, nil
		}
		want = &Model{Fingerprint: s.Doc.Model}
	}
	for _, p := range seen {
		if p.model.Fingerprint == want.Fingerprint {
			want = p.model
			continue
		}
		if problem == nil {
			problem = mismatch(p, want)
		}
		if !published || s.placed(p.name) {
			return nil, false, problem
		}
	}
	if want.Layers == 0 { // nobody sees it: there is nothing to go on with
		return nil, false, problem
	}
	return want, false, problem
}

func mismatch(p reporter, want *Model) *Problem {
	return &Problem{v1alpha1.ReasonModelMismatch, fmt.Sprintf(
		"pod %s sees a checkpoint with fingerprint %s, the others one with %s: give every machine the same files, then delete the pod",
		p.name, p.model.Fingerprint, want.Fingerprint)}
}

// placed says whether a published placement names the node.
func (s *State) placed(name string) bool {
	return slices.ContainsFunc(s.Doc.Placements(), func(p *placement.Placement) bool { return p.Node(name) != nil })
}

type reporter struct {
	name  string
	model *Model
}

// reported lists the pods that told their model: wanted nodes first, by ordinal.
func (s *State) reported() []reporter {
	var out []reporter
	for _, m := range s.Members {
		if n := s.Nodes[m.Name]; n.Model != nil {
			out = append(out, reporter{m.Name, n.Model})
		}
	}
	for _, r := range s.Routers {
		if r.Model != nil {
			out = append(out, reporter{r.Name, r.Model})
		}
	}
	return out
}

// all says whether every wanted node and every running router reports the same
// fingerprint.
func (s *State) all(seen []reporter, fingerprint string) bool {
	for _, m := range s.Members {
		if s.Nodes[m.Name].Model == nil {
			return false
		}
	}
	for _, r := range s.Routers {
		if r.Running && r.Model == nil {
			return false
		}
	}
	return !slices.ContainsFunc(seen, func(p reporter) bool { return p.model.Fingerprint != fingerprint })
}
