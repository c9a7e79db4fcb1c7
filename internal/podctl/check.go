package podctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// MaxDocument bounds a placement document in bytes: 64 nodes that hold all of
// 16 x 64 experts take 0.3 MB.
const MaxDocument = 4 << 20

// Shape is what a document must fit.
type Shape struct {
	Layers, Experts int
	Model           string // checkpoint fingerprint
}

// parse reads a document and refuses one that this pod could not follow.
func (s Shape) parse(raw []byte) (*placement.Document, error) {
	if len(raw) > MaxDocument {
		return nil, fmt.Errorf("placement document larger than %d bytes", MaxDocument)
	}
	var d placement.Document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("placement document: %w", err)
	}
	if err := s.check(&d); err != nil {
		return nil, fmt.Errorf("placement document, revision %d: %w", d.Revision, err)
	}
	return &d, nil
}

func (s Shape) check(d *placement.Document) error {
	if d.Model != "" && d.Model != s.Model {
		return fmt.Errorf("made for the model with fingerprint %s; this pod has %s: give all pods the same checkpoint", d.Model, s.Model)
	}
	if d.Revision < 1 {
		return errors.New("revision must be at least 1")
	}
	if d.Serving == nil && d.Target == nil {
		return errors.New("has neither serving nor target")
	}
	for _, p := range d.Placements() {
		if err := s.fits(p); err != nil {
			return fmt.Errorf("placement epoch %d: %w", p.Epoch, err)
		}
	}
	if d.Serving != nil && d.Target != nil && d.Target.Epoch < d.Serving.Epoch {
		return fmt.Errorf("target epoch %d is before serving epoch %d", d.Target.Epoch, d.Serving.Epoch)
	}
	return d.Validate()
}

// fits checks what depends on the pod's model, and the addresses.
func (s Shape) fits(p *placement.Placement) error {
	if p.Layers != s.Layers || p.Experts != s.Experts {
		return fmt.Errorf("is for %d layers of %d experts; the model has %d of %d", p.Layers, p.Experts, s.Layers, s.Experts)
	}
	for i := range p.Nodes {
		if _, _, err := net.SplitHostPort(p.Nodes[i].Address); err != nil {
			return fmt.Errorf("node %s: %w", p.Nodes[i].Name, err)
		}
	}
	return nil
}
