package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// move hands every node's experts of the even layers to the next node, as the
// operator does it: a target beside the placement in force, then that alone. It
// returns while the first of the two steps is under way; the second follows within
// the time that is watched, or moved says why not: a move that never came shows nothing.
func (d *deployment) move(watch time.Duration) (moved func() error, err error) {
	doc, err := d.document()
	if err != nil {
		return nil, err
	}
	target := rotated(doc.Serving)
	if err := d.publish(&placement.Document{Revision: doc.Revision + 1, Model: doc.Model, Serving: doc.Serving, Target: target}); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- d.finish(doc, target, watch) }()
	return func() error { return <-done }, nil
}

// finish publishes target alone once the router uses it.
func (d *deployment) finish(doc *placement.Document, target *placement.Placement, watch time.Duration) error {
	for end := time.Now().Add(watch); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if epoch, err := d.metric("olmoe_dispatch_serving_epoch"); err == nil && int64(epoch) == target.Epoch {
			return d.publish(&placement.Document{Revision: doc.Revision + 2, Model: doc.Model, Serving: target})
		}
	}
	return fmt.Errorf("the router does not use placement %d after %s: give --watch more time", target.Epoch, watch)
}

func rotated(p *placement.Placement) *placement.Placement {
	out := &placement.Placement{Epoch: p.Epoch + 1, Layers: p.Layers, Experts: p.Experts}
	for i, n := range p.Nodes {
		next := p.Nodes[(i+1)%len(p.Nodes)]
		m := placement.Node{Name: n.Name, Address: n.Address}
		for l := range n.Experts {
			if l%2 == 0 {
				m.Experts = append(m.Experts, next.Experts[l])
			} else {
				m.Experts = append(m.Experts, n.Experts[l])
			}
		}
		out.Nodes = append(out.Nodes, m)
	}
	return out
}

// publish writes the document as a whole.
func (d *deployment) publish(doc *placement.Document) error {
	file, err := d.placementFile()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
