package pool

import (
	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// toStatus is the second copy of a document, without addresses.
func toStatus(doc *placement.Document) *v1alpha1.PlacementStatus {
	if doc == nil {
		return nil
	}
	return &v1alpha1.PlacementStatus{
		Revision: doc.Revision, Model: doc.Model, Serving: toEpoch(doc.Serving), Target: toEpoch(doc.Target),
	}
}

func toEpoch(p *placement.Placement) *v1alpha1.PlacementEpoch {
	if p == nil {
		return nil
	}
	out := &v1alpha1.PlacementEpoch{Epoch: p.Epoch, Layers: int32(p.Layers), Experts: int32(p.Experts)} //nolint:gosec // a model's dimensions
	for _, n := range p.Nodes {
		out.Nodes = append(out.Nodes, v1alpha1.PlacementNode{Name: n.Name, Experts: placement.FormatExperts(n.Experts)})
	}
	return out
}

// fromStatus reads the second copy back; nil if there is none that is whole.
func fromStatus(s *v1alpha1.PlacementStatus, address func(node string) string) *placement.Document {
	if s == nil || s.Revision < 1 {
		return nil
	}
	doc := &placement.Document{Revision: s.Revision, Model: s.Model}
	var err error
	if doc.Serving, err = fromEpoch(s.Serving, address); err != nil {
		return nil
	}
	if doc.Target, err = fromEpoch(s.Target, address); err != nil {
		return nil
	}
	if doc.Validate() != nil || doc.Serving == nil && doc.Target == nil {
		return nil
	}
	return doc
}

func fromEpoch(e *v1alpha1.PlacementEpoch, address func(node string) string) (*placement.Placement, error) {
	if e == nil {
		return nil, nil
	}
	p := &placement.Placement{Epoch: e.Epoch, Layers: int(e.Layers), Experts: int(e.Experts)}
	if err := placement.CheckSize(p.Layers, p.Experts); err != nil {
		return nil, err
	}
	for _, n := range e.Nodes {
		experts, err := placement.ParseExperts(n.Experts, p.Layers, p.Experts)
		if err != nil {
			return nil, err
		}
		p.Nodes = append(p.Nodes, placement.Node{Name: n.Name, Address: address(n.Name), Experts: experts})
	}
	return p, nil
}
