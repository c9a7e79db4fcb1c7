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
	for name, p := range map[string]*placement.Placement{"serving": d.Serving, "target": d.Target} {
		if p == nil {
			continue
		}
		if err := s.checkPlacement(p); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if d.Serving != nil && d.Target != nil && d.Target.Epoch < d.Serving.Epoch {
		return fmt.Errorf("target epoch %d is before serving epoch %d", d.Target.Epoch, d.Serving.Epoch)
	}
	return nil
}

func (s Shape) checkPlacement(p *placement.Placement) error {
	if p.Layers != s.Layers || p.Experts != s.Experts {
		return fmt.Errorf("is for %d layers of %d experts; the model has %d of %d", p.Layers, p.Experts, s.Layers, s.Experts)
	}
	seen := map[string]bool{}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if n.Name == "" || seen[n.Name] {
			return fmt.Errorf("nodes[%d]: name %q is empty or not unique", i, n.Name)
		}
		seen[n.Name] = true
		if err := s.checkNode(n); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	return nil
}

func (s Shape) checkNode(n *placement.Node) error {
	if _, _, err := net.SplitHostPort(n.Address); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if len(n.Experts) != s.Layers {
		return fmt.Errorf("experts has %d layers, the model %d", len(n.Experts), s.Layers)
	}
	for l, experts := range n.Experts {
		last := -1
		for _, e := range experts {
			if e <= last || e >= s.Experts {
				return fmt.Errorf("experts[%d]: %d is out of range or not ascending", l, e)
			}
			last = e
		}
	}
	return nil
}
