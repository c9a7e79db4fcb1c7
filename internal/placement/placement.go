package placement

import "slices"

// Placement assigns every expert of every layer to the nodes that hold a
// replica of it. It is immutable once published: a change is a new Placement
// with a larger Epoch.
type Placement struct {
	Epoch   int64  `json:"epoch"`
	Layers  int    `json:"layers"`
	Experts int    `json:"experts"` // per layer
	Nodes   []Node `json:"nodes"`
}

// Node is one expert node and what it holds.
type Node struct {
	// Name is the node's stable identity (its pod's name).
	Name string `json:"name"`
	// Address is host:port of its gRPC server, a stable DNS name in a cluster.
	Address string `json:"address"`
	// Experts[l] lists the experts of layer l, ascending, no repeats.
	Experts [][]int `json:"experts"`
}

// Document is what the operator publishes (a mounted file, and pushed over
// gRPC): the whole desired state of the data plane, level-triggered, so that a
// pod that reads only the newest one needs no history. The highest Revision wins.
//
// Make before break (invariant 3): nodes hold the union of Serving and Target;
// a router switches to Target, at a step boundary, once an owner of every
// expert in Target is ready; when all routers have switched the operator
// publishes Serving = Target and nodes drop the rest.
type Document struct {
	Revision int64 `json:"revision"`
	// Model is the checkpoint fingerprint the placement was made for; a pod whose
	// checkpoint differs must not join. Empty accepts any.
	Model   string     `json:"model,omitempty"`
	Serving *Placement `json:"serving,omitempty"`
	Target  *Placement `json:"target,omitempty"`
	// Urgent: an expert has lost its last owner, so nodes load Target as fast as
	// they can; else they load in the background, which does not slow what they serve.
	Urgent bool `json:"urgent,omitempty"`
}

// Same says whether two placements differ in nothing but their epochs. Nil is like nil.
func (p *Placement) Same(o *Placement) bool {
	if p == nil || o == nil {
		return p == o
	}
	return p.Layers == o.Layers && p.Experts == o.Experts && slices.EqualFunc(p.Nodes, o.Nodes, func(a, b Node) bool {
		return a.Name == b.Name && a.Address == b.Address && slices.EqualFunc(a.Experts, b.Experts, slices.Equal[[]int])
	})
}

// Placements are Serving and Target, those that there are.
func (d *Document) Placements() []*Placement {
	return slices.DeleteFunc([]*Placement{d.Serving, d.Target}, func(p *Placement) bool { return p == nil })
}
