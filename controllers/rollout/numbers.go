package rollout

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	return &Problem{ModelMismatch, fmt.Sprintf(
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

// revision is above every revision that is published or that a pod knows, so
// that a document made after the published one was lost is not ignored.
func (s *State) revision() int64 {
	var top int64
	if s.Doc != nil {
		top = s.Doc.Revision
	}
	for _, n := range s.Nodes {
		top = max(top, n.Revision)
	}
	for _, r := range s.Routers {
		top = max(top, r.Revision)
	}
	return top + 1
}

// epoch is above every epoch likewise, and at least the revision that publishes
// it: so it is above those of targets that were taken back, too, of which a router
// that was cut off may still know (invariant 3: a number is one placement).
func (s *State) epoch() int64 {
	var top int64
	if s.Doc != nil {
		for _, p := range s.Doc.Placements() {
			top = max(top, p.Epoch)
		}
	}
	for _, n := range s.Nodes {
		top = max(top, n.ReadyEpoch)
	}
	for _, r := range s.Routers {
		top = max(top, r.ServingEpoch)
	}
	return max(top+1, s.revision())
}

// used is how many pods (ordinals from 0) the document needs.
func used(d *placement.Document) int {
	if d == nil {
		return 0
	}
	top := 0
	for _, p := range d.Placements() {
		for _, n := range p.Nodes {
			top = max(top, Ordinal(n.Name)+1)
		}
	}
	return top
}

// Ordinal is the number at the end of a StatefulSet pod's name; -1 if there is none.
func Ordinal(pod string) int {
	n, err := strconv.Atoi(pod[strings.LastIndexByte(pod, '-')+1:])
	if err != nil || n < 0 {
		return -1
	}
	return n
}
