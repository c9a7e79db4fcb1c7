package expertnode

import (
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// expertID names an expert.
type expertID struct{ layer, index int }

// assignment is what a document asks of one node.
type assignment struct {
	revision int64
	named    bool        // the document names the node
	urgent   bool        // experts without any owner are waited for
	want     wire.Bitmap // experts to hold: those of serving and of target
	order    []expertID  // of want, in the order to load: serving first
	epochs   []share     // serving, target
}

// share is a node's part of one placement.
type share struct {
	epoch   int64
	experts []expertID
}

// assign reads a node's assignment from a document, which was checked before.
// While target differs from serving a node holds both (invariant 3: make before break).
func assign(d *placement.Document, name string, layers, experts int) *assignment {
	a := &assignment{want: wire.NewBitmap(layers, experts)}
	if d == nil {
		return a
	}
	a.revision, a.urgent = d.Revision, d.Urgent
	for _, p := range d.Placements() {
		for i := range p.Nodes {
			if p.Nodes[i].Name == name {
				a.add(p.Epoch, p.Nodes[i].Experts)
			}
		}
	}
	return a
}

func (a *assignment) add(epoch int64, experts [][]int) {
	a.named = true
	s := share{epoch: epoch}
	for l, list := range experts {
		for _, e := range list {
			x := expertID{l, e}
			s.experts = append(s.experts, x)
			if !a.want.Has(l, e) {
				a.want.Set(l, e)
				a.order = append(a.order, x)
			}
		}
	}
	a.epochs = append(a.epochs, s)
}

// readyEpoch is the highest epoch of which the node holds its whole share; 0 if none.
func (a *assignment) readyEpoch(held *wire.Bitmap) (epoch int64) {
	for _, s := range a.epochs {
		if s.epoch > epoch && s.complete(held) {
			epoch = s.epoch
		}
	}
	return epoch
}

// ready reports whether the node can serve its part: its share of serving, or
// of target while it has none of serving yet.
func (a *assignment) ready(held *wire.Bitmap) bool {
	return len(a.epochs) > 0 && a.epochs[0].complete(held)
}

func (s *share) complete(held *wire.Bitmap) bool {
	for _, x := range s.experts {
		if !held.Has(x.layer, x.index) {
			return false
		}
	}
	return true
}
