package simulation

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// This file is what must hold while pods fail, too: a fault takes what it takes, and nothing
// that anybody decides takes more.

// use is a router's use of a placement.
type use struct {
	judged bool           // the operator knew the router, and the newest document had the placement
	whole  map[string]int // nodes that held their part meanwhile, and which instance of each
}

// keepsParts: a node that holds its part of a placement that a router uses, holds it as long
// as that lasts: it loses it with its program only, and no document takes it away (invariants
// 2 and 4). So an expert whose owner lives and is connected is answered, whatever else fails.
func (w *world) keepsParts(x *pod, p *placement.Placement) {
	if w.uses[x.prog.router] == nil {
		w.uses[x.prog.router] = map[int64]*use{}
	}
	u := w.uses[x.prog.router][p.Epoch]
	if u == nil {
		u = &use{whole: map[string]int{}}
		w.uses[x.prog.router][p.Epoch] = u
	}
	u.judged = u.judged || x.prog.known && w.published(p.Epoch)
	if !w.waitedFor(x, p) {
		return
	}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		y := w.pods[n.Name]
		if y == nil || y.prog == nil {
			delete(u.whole, n.Name)
			continue
		}
		switch holds := y.prog.holds(n.Experts); {
		case holds:
			u.whole[n.Name] = y.prog.instance
		case u.whole[n.Name] == y.prog.instance:
			w.violate("2", "node %s has dropped of placement %d what router %s uses", n.Name, p.Epoch, x.name)
		}
	}
}

// waitedFor says whether the operator must wait for a router's use of p: not if its cache did
// not have the router, which had just been made, as long as p was published; if that started
// from an older document; if p is a target that was taken back, as one is that has a lost node;
// or if the pod is to go and may say nothing.
func (w *world) waitedFor(x *pod, p *placement.Placement) bool {
	u := w.uses[x.prog.router][p.Epoch]
	return u != nil && u.judged && (w.inForce[p.Epoch] || w.published(p.Epoch)) &&
		live[*corev1.Pod](w.api, x.name).DeletionTimestamp == nil
}

// published says whether the newest document has that placement.
func (w *world) published(epoch int64) bool {
	for _, p := range w.newestDoc.Placements() {
		if p.Epoch == epoch {
			return true
		}
	}
	return false
}

// checkUrgency: while calls wait for experts that no node has any more, the target gives those
// an owner each and loads nothing else, but what nodes hold too much of, and says that it is
// urgent (invariant 2). What is left out though it is wanted, is lost. Only whoever has decided knows: a document that another
// operator publishes from the status's copy does not tell.
func (w *world) checkUrgency(d *placement.Document) {
	if d.Serving == nil || d.Target == nil || w.decidedIn[d.Revision] != w.stats.rounds || w.lateNow {
		return
	}
	wanted, lost := int(*w.specs[d.Revision].Spec.Replicas), 0
	stays := map[string]bool{}
	for i := range d.Serving.Nodes {
		name := d.Serving.Nodes[i].Name
		if stays[name] = d.Target.Node(name) != nil; stays[name] {
			continue
		}
		if rollout.Ordinal(name) >= wanted {
			return // it leaves, and it may be lost as well
		}
		lost++
	}
	missing := w.withoutOwner(d.Serving, stays)
	if urgent := lost > 0 && missing > 0; urgent != d.Urgent {
		w.violate("2", "%d nodes are lost, %d experts have no other owner, and urgent is %v: %s", lost, missing, d.Urgent, shape(d))
	}
	loads := len(placement.Diff(d.Serving, d.Target, 0))
	if d.Urgent && (loads < missing || loads > missing+tooMany(d.Serving, w.specs[d.Revision].Spec.Experts.SlotsPerNode)) {
		w.violate("2", "an urgent target loads %d experts, of which %d have no owner: %s", loads, missing, shape(d))
	}
	if d.Urgent {
		w.stats.urgent++
	}
}

// tooMany counts what the nodes hold more than they have slots for.
func tooMany(p *placement.Placement, slots *int32) (n int) {
	for i := range p.Nodes {
		for _, list := range p.Nodes[i].Experts {
			if slots != nil {
				n += max(0, len(list)-int(*slots))
			}
		}
	}
	return n
}

// withoutOwner counts experts of p without an owner that stays.
func (w *world) withoutOwner(p *placement.Placement, stays map[string]bool) (n int) {
	var owned [layers][experts]bool
	for i := range p.Nodes {
		for l, list := range p.Nodes[i].Experts {
			for _, e := range list {
				owned[l][e] = owned[l][e] || stays[p.Nodes[i].Name]
			}
		}
	}
	for l := range owned {
		for e := range owned[l] {
			if !owned[l][e] {
				n++
			}
		}
	}
	return n
}
