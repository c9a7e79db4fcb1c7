package rollout

import (
	"encoding/json"
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// maxDocument is how many bytes of JSON can be published: a ConfigMap holds 1 MiB of
// values, and a KiB is for what a document has beside its placements.
const maxDocument = 1<<20 - 1<<10

// tooLargeError says that a placement cannot be published. It has no size in bytes, which
// changes with loads: a quiet cluster is quiet (invariant 7).
type tooLargeError struct{ layers, experts, nodes int }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the placement of %d layers of %d experts on %d nodes takes more than half of the 1 MiB that a ConfigMap holds, and the next one has to go beside it: "+
		"fewer nodes, copies of experts or slots", e.layers, e.experts, e.nodes)
}

// publishable refuses a target that cannot be published beside serving, or the next one
// like it beside it: a pool that serves must be able to give what a lost node holds to
// others (invariant 2; docs/adr/0152).
func publishable(serving, target *placement.Placement) error {
	if n := size(target); n+max(n, size(serving)) > maxDocument {
		return &tooLargeError{target.Layers, target.Experts, len(target.Nodes)}
	}
	return nil
}

// size is what a placement takes in a document.
func size(p *placement.Placement) int {
	raw, _ := json.Marshal(p) // numbers and texts
	return len(raw)
}

// target plans what can be published beside serving.
func target(r planner.Request, serving *placement.Placement) (*placement.Placement, error) {
	p, err := planner.Plan(r)
	if err != nil {
		return nil, err
	}
	return p, publishable(serving, p)
}
