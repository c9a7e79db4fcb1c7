package placement

import "fmt"

// Node finds a node by name; nil if there is none.
func (p *Placement) Node(name string) *Node {
	for i := range p.Nodes {
		if p.Nodes[i].Name == name {
			return &p.Nodes[i]
		}
	}
	return nil
}

// Validate checks what every reader of a placement relies on: names are there
// and differ, lists are ascending and in range, and every expert has an owner. It may be
// asked about what was just read.
func (p *Placement) Validate() error {
	if err := CheckSize(p.Layers, p.Experts); err != nil {
		return fmt.Errorf("placement epoch %d: %w", p.Epoch, err)
	}
	seen := map[string]bool{}
	for _, n := range p.Nodes {
		if n.Name == "" || seen[n.Name] {
			return fmt.Errorf("placement epoch %d: node name %q is empty or there twice", p.Epoch, n.Name)
		}
		seen[n.Name] = true
		if err := n.validate(p.Layers, p.Experts); err != nil {
			return fmt.Errorf("placement epoch %d: node %s: %w", p.Epoch, n.Name, err)
		}
	}
	for l := range p.Layers {
		for e, c := range p.Copies(l) {
			if c == 0 {
				return fmt.Errorf("placement epoch %d: layer %d, expert %d has no owner", p.Epoch, l, e)
			}
		}
	}
	return nil
}

func (n *Node) validate(layers, experts int) error {
	if len(n.Experts) != layers {
		return fmt.Errorf("lists for %d layers, the model has %d", len(n.Experts), layers)
	}
	for l, held := range n.Experts {
		last := -1
		for _, e := range held {
			if e <= last || e >= experts {
				return fmt.Errorf("layer %d: expert %d is out of order, repeated, or not below %d", l, e, experts)
			}
			last = e
		}
	}
	return nil
}

// Validate checks both placements of a document, and that they have epochs: 0 is
// what readers say while they have none.
func (d *Document) Validate() error {
	for _, p := range d.Placements() {
		err := p.Validate()
		if p.Epoch < 1 {
			field := "serving"
			if p == d.Target {
				field = "target"
			}
			err = fmt.Errorf("%s.epoch is %d; it must be at least 1", field, p.Epoch)
		}
		if err != nil {
			return fmt.Errorf("document revision %d: %w", d.Revision, err)
		}
	}
	return nil
}
