package pool

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// nodeSet is the StatefulSet of the expert nodes, and what it has brought about.
type nodeSet struct {
	live  appsv1.StatefulSet // no UID: not there
	taken error              // its name belongs to somebody else
	wrote bool               // it has changed in this round
}

// followed says whether the StatefulSet's controller has looked at the newest one.
func (s *nodeSet) followed() bool {
	return !s.wrote && s.live.UID != "" && s.live.Status.ObservedGeneration == s.live.Generation
}

// outdated says whether a pod comes from an older template than the StatefulSet's,
// as far as the StatefulSet's controller has looked.
func (s *nodeSet) outdated(p *corev1.Pod) bool {
	said := &s.live.Status
	return said.ObservedGeneration == s.live.Generation && said.UpdateRevision != "" &&
		p.Labels[appsv1.ControllerRevisionHashLabelKey] != said.UpdateRevision
}

// absent are the members that are not there as the newest template has them, and ready.
func (s *nodeSet) absent(p pods, members []placement.Node) (list []placement.Node) {
	for _, m := range members {
		if e := p.expert(m.Name); e == nil || !diagnose.Ready(e) || s.outdated(e) {
			list = append(list, m)
		}
	}
	return list
}

// missing names what the StatefulSet still has to bring about so that its pods are the
// members; empty if nothing.
func (s *nodeSet) missing(p pods, members []placement.Node) string {
	if !s.followed() {
		return "the StatefulSet " + s.live.Name + " to be looked at by its controller"
	}
	var names []string
	for _, m := range s.absent(p, members) {
		names = append(names, m.Name)
	}
	for i := range p.experts {
		if n := p.experts[i].Name; rollout.Ordinal(n) >= len(members) {
			names = append(names, n+" (to leave)")
		}
	}
	missing := listed(names)
	if i := slices.IndexFunc(p.experts, func(e corev1.Pod) bool { return s.outdated(&e) && s.holds(&e) }); i >= 0 {
		missing += fmt.Sprintf(" (%s keeps its former template: set spec.updateStrategy.rollingUpdate.partition of the StatefulSet %s to 0, which somebody has set to %d)",
			p.experts[i].Name, s.live.Name, *s.live.Spec.UpdateStrategy.RollingUpdate.Partition)
	}
	return missing
}

// holds says whether a pod keeps its former template, also where it is made anew, because
// of a partition that somebody has set (the operator has none).
func (s *nodeSet) holds(p *corev1.Pod) bool {
	u := s.live.Spec.UpdateStrategy.RollingUpdate
	return u != nil && u.Partition != nil && rollout.Ordinal(p.Name) < int(*u.Partition)
}

// listed is names in a message, some of them if they are many.
func listed(names []string) string {
	const most = 3
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}
