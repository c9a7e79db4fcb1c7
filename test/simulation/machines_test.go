package simulation

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// wishApart is a wish that stays: two copies, which pods that change machines bring together,
// and soon enough part again.
func (w *world) wishApart() {
	two, nodes := int32(2), int32(3+w.rnd.IntN(maxNodes-2))
	s := &w.wish
	s.Replicas, s.Experts.ReplicasPerExpert, s.Experts.RestoreAfterSeconds = &nodes, &two, ptr(int32(2+w.rnd.IntN(4)))
	s.Scaling, s.Experts.SlotsPerNode = nil, nil
	if w.rnd.IntN(2) == 0 {
		s.Experts.SlotsPerNode = ptr((2*experts+nodes-1)/nodes + 1)
	}
}

// machine is what the scheduler gives a pod that is made: in worlds with machines one of
// them, else the one that there is.
func (w *world) machine() string {
	if w.machines == 0 {
		return "machine"
	}
	return fmt.Sprint("machine-", w.rnd.IntN(w.machines))
}

// beside are the pods that are lost with one: those on its machine.
func (w *world) beside(x *pod) (list []*pod) {
	if w.machines == 0 {
		return []*pod{x}
	}
	for _, y := range w.alive() {
		if y.machine == x.machine {
			list = append(list, y)
		}
	}
	return list
}

// crowded counts the experts of p with copies on fewer machines than the spec asks for, or
// than there are.
func (w *world) crowded(p *placement.Placement, spec *v1alpha1.ExpertPoolSpec) int {
	r := w.onMachines(p, spec)
	return r.Crowded(p)
}

func (w *world) onMachines(p *placement.Placement, spec *v1alpha1.ExpertPoolSpec) planner.Request {
	r := planner.Request{Layers: layers, Experts: experts, Nodes: p.Nodes, Domains: map[string]string{},
		Replicas: min(int(*spec.Experts.ReplicasPerExpert), len(p.Nodes))}
	if n := spec.Experts.SlotsPerNode; n != nil {
		r.SlotsPerNode = int(*n)
	}
	for i := range p.Nodes {
		if o := live[*corev1.Pod](w.api, p.Nodes[i].Name); o != nil && o.Spec.NodeName != "" {
			r.Domains[o.Name] = o.Spec.NodeName
		}
	}
	return r
}

// drain sends the pods of a machine away, some of them to where copies of their experts are.
func (w *world) drain() {
	if !w.faulty || w.machines == 0 {
		return
	}
	on := w.machine()
	for _, x := range w.running(false) {
		if p := live[*corev1.Pod](w.api, x.name); x.machine == on && p.DeletionTimestamp == nil {
			w.note("pod %s leaves its machine", x.name)
			w.endPod(p)
		}
	}
}

// apart says whether p has copies of experts on one machine that could be on two: where a
// plan from nothing has fewer.
func (w *world) apart(p *placement.Placement, spec *v1alpha1.ExpertPoolSpec) string {
	now := w.crowded(p, spec)
	if now == 0 {
		return ""
	}
	r := w.onMachines(p, spec)
	q, err := planner.Plan(r)
	if err != nil {
		return err.Error()
	}
	if can := r.Crowded(q); now > can {
		return fmt.Sprintf("%d experts have their copies on one machine, of which %d could have them on two", now, now-can)
	}
	return ""
}
