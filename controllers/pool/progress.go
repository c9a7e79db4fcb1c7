package pool

import (
	"slices"

	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// progress is how far the pool is on its way to what the spec wants.
type progress struct {
	nodes    int                 // wanted
	followed bool                // the StatefulSet's controller has looked at the newest one
	absent   []placement.Node    // wanted nodes that are not there
	missing  string              // what the StatefulSet still has to bring about; empty if nothing
	doc      *placement.Document // published before this round; nil if there was none
	decision *rollout.Decision
}

// changing says whether the pool is not yet as wanted.
func (p progress) changing() bool {
	return p.unsettled() || p.decision.Waiting != "" || p.missing != ""
}

// unsettled says whether there is no placement yet, or a new one on its way.
func (p progress) unsettled() bool {
	return p.doc == nil || p.doc.Target != nil || p.decision.Doc != p.doc
}

// sameNodes says whether the wanted nodes are there, and in every placement that is in
// force or on its way.
func (p progress) sameNodes() bool {
	for _, doc := range []*placement.Document{p.doc, p.decision.Doc} {
		if doc == nil || slices.ContainsFunc(doc.Placements(), func(at *placement.Placement) bool { return len(at.Nodes) != p.nodes }) {
			return false
		}
	}
	return p.missing == ""
}

// missingFrom is the lowest ordinal of the wanted nodes that are not ready; 0 if the pool
// is unsettled for another reason as well.
func (p progress) missingFrom() int {
	if p.unsettled() || !p.followed || len(p.absent) == 0 {
		return 0
	}
	return rollout.Ordinal(p.absent[0].Name)
}

// waits says what the placement that the spec wants waits for; empty if nothing, also
// while experts move by load only.
func (p progress) waits() string {
	if p.decision.AsWanted && (moving(p.decision.Doc) || moving(p.doc)) {
		return ""
	}
	return p.decision.Waiting
}
