package simulation

import (
	corev1 "k8s.io/api/core/v1"
)

// fails breaks something.
func (w *world) fails() bool {
	x, ok := pick(w, w.alive())
	if !ok {
		return false
	}
	kinds := 7
	if w.machines > 0 { // more pods go to other machines
		kinds = 11
	}
	switch w.rnd.IntN(kinds) {
	case 0, 1:
		w.note("%s restarts", x.name)
		x.prog = nil
		x.start()
	case 2:
		w.note("%s freezes", x.name)
		x.frozen = true
	case 3:
		w.note("%s is cut from the operator", x.name)
		x.cutOperator = true
	case 4:
		w.note("%s is cut from its peers", x.name)
		x.cutRouters = true
	case 5:
		for _, y := range w.beside(x) {
			w.note("the machine of %s is lost", y.name)
			y.lost = true
		}
	default:
		w.note("somebody deletes pod %s", x.name)
		p := live[*corev1.Pod](w.api, x.name)
		if p.DeletionTimestamp != nil {
			return false
		}
		w.endPod(p)
	}
	w.stats.faults++
	return true
}

// heals mends one pod.
func (w *world) heals() bool {
	var broken []*pod
	for _, name := range w.podNames() {
		if x := w.pods[name]; x.frozen || x.lost || x.cutOperator || x.cutRouters {
			broken = append(broken, x)
		}
	}
	x, ok := pick(w, broken)
	if ok {
		w.heal(x)
	}
	return ok
}

func (w *world) heal(x *pod) {
	w.note("%s heals", x.name)
	p := live[*corev1.Pod](w.api, x.name)
	switch {
	case x.lost && (p.DeletionTimestamp != nil || w.rnd.IntN(3) == 0):
		w.gone(x) // the machine comes back and ends the pod, or somebody deletes it by force
		return
	case x.lost && w.rnd.IntN(2) == 0:
		x.prog = nil // the machine comes back after a restart
	}
	x.frozen, x.lost, x.cutOperator, x.cutRouters = false, false, false, false
}
