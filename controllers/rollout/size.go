package rollout

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// maxDocument is how many bytes of JSON can be published: a ConfigMap holds 1 MiB of
// values, and a KiB is for what a document has beside its placements.
const maxDocument = 1<<20 - 1<<10

// tooLargeError says that a placement cannot be published. It has no size in bytes, which
// changes with loads: a quiet cluster is quiet (invariant 7).
type tooLargeError struct {
	layers, experts, nodes int
	beside                 int // nodes of the placement in force beside which it does not fit; 0 = it is too large by itself
}

func (e *tooLargeError) Error() string {
	if e.beside > 0 {
		return fmt.Sprintf("the placement of %d layers of %d experts on %d nodes does not fit into the 1 MiB of a ConfigMap beside the one in force, on %d nodes: "+
			"only a smaller one does", e.layers, e.experts, e.nodes, e.beside)
	}
	return fmt.Sprintf("the placement of %d layers of %d experts on %d nodes takes more than half of the 1 MiB that a ConfigMap holds, and the next one has to go beside it: "+
		"fewer nodes, copies of experts or slots", e.layers, e.experts, e.nodes)
}

func tooLarge(err error) bool {
	var large *tooLargeError
	return errors.As(err, &large)
}

// publishable refuses a target that cannot be published beside serving, or the next one
// like it beside it: a pool that serves must be able to give what a lost node holds to
// others (invariant 2; docs/adr/0152).
func publishable(serving, target *placement.Placement) error {
	n := size(target)
	switch err := (&tooLargeError{layers: target.Layers, experts: target.Experts, nodes: len(target.Nodes)}); {
	case 2*n > maxDocument:
		return err
	case n+size(serving) > maxDocument:
		err.beside = len(serving.Nodes)
		return err
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
