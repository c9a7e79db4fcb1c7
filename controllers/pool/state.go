package pool

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// state is the view as the rollout needs it.
func (v *view) state() rollout.State {
	s := rollout.State{
		Members:      v.wanted.members(v.wanted.nodes()),
		Replicas:     v.wanted.copies(),
		SlotsPerNode: v.wanted.slots(),
		Machines:     v.pods.machines(),
		Doc:          v.record.doc,
		Nodes:        map[string]rollout.Node{},
	}
	losses := v.losses()
	for i := range v.pods.experts {
		p := &v.pods.experts[i]
		n := rollout.Node{Stuck: v.troubles.stuck(p.Name), Lost: losses.lost(p.Name)}
		if a := v.pods.report(p.Name); a != nil && p.DeletionTimestamp == nil {
			n.Model, n.Revision, n.ReadyEpoch = model(a), a.Revision, a.ReadyEpoch
		}
		s.Nodes[p.Name] = n
	}
	for name := range v.memory.silent { // also those without a pod
		if _, ok := s.Nodes[name]; !ok {
			s.Nodes[name] = rollout.Node{Lost: losses.lost(name)}
		}
	}
	for i := range v.pods.routers {
		s.Routers = append(s.Routers, router(&v.pods.routers[i], v.pods))
	}
	if v.memory.located.stand(v.wanted.restoreAfter(), v.now) && v.progress().missing == "" { // all are there
		s.SpreadMoves = v.budget().left()
	}
	if s.Loads = v.memory.looks.recent(v.wanted.window(), v.now); s.Loads != nil {
		s.Rebalance = v.mayRebalance()
	}
	return s
}

// router: one that is leaving counts as long as it answers, for it may still have
// requests under way; one that is gone silent as it leaves holds nothing up.
func router(p *corev1.Pod, pods pods) rollout.Router {
	a := pods.report(p.Name)
	out := rollout.Router{Name: p.Name, Running: diagnose.Running(p) && (p.DeletionTimestamp == nil || a != nil)}
	if a != nil {
		out.Model, out.Revision, out.ServingEpoch = model(a), a.Revision, a.ServingEpoch
	}
	return out
}

func model(a *fleet.Report) *rollout.Model {
	if a.Model == nil {
		return nil
	}
	return &rollout.Model{Fingerprint: a.Model.Fingerprint, Layers: a.Model.Layers, Experts: a.Model.Experts}
}
