package pool

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// urgentAfter: experts without any owner wait no longer than this for a pod that
// is not known to be on its way back.
const urgentAfter = time.Second

// listen notes which nodes of the placement have stopped answering, and since when.
func (v *view) listen(now time.Time) {
	named := named(v.record.doc)
	for name := range v.memory.silent {
		if !named[name] {
			delete(v.memory.silent, name)
		}
	}
	for name := range named {
		if v.pods.report(name) != nil {
			delete(v.memory.silent, name)
		} else if v.memory.silent[name].IsZero() {
			v.memory.silent[name] = now
		}
	}
	v.stalls.listen(v, now)
}

// lost says whether a node's experts shall get other owners. While requests are
// served it takes restoreAfterSeconds, and the kubelet must agree: a node that
// only the operator cannot reach serves on. Once a router misses an expert it takes
// patience, unless the pod is on its way back by itself.
func (v *view) lost(name string) bool {
	since := v.memory.silent[name]
	if since.IsZero() {
		return false
	}
	silent := v.now.Sub(since)
	pod := v.pods.expert(name)
	if (v.pods.missesExperts() || v.pods.waitedFor(name)) && silent >= v.patience(name) && !comesBack(pod, v.now) {
		return true
	}
	return silent >= v.wanted.restoreAfter() && (pod == nil || !diagnose.Ready(pod) || v.pods.missesExperts())
}

// givenUp are the nodes of the placement in force that the next one does without
// because they are lost.
func (v *view) givenUp() (names []string) {
	doc := v.decision.Doc
	if doc.Serving == nil {
		return nil
	}
	for i := range doc.Serving.Nodes {
		name := doc.Serving.Nodes[i].Name
		kept := slices.ContainsFunc(doc.Target.Nodes, func(n placement.Node) bool { return n.Name == name })
		if !kept && v.lost(name) {
			names = append(names, name)
		}
	}
	return names
}

// patience is how long to wait for a silent node whose experts a router misses. It is
// zero once both have found the node silent, each by waiting: the router, which it owes
// answers, and the operator, whose question it should answer from memory. A node that
// was given up before and came back at once gets more each time.
func (v *view) patience(name string) time.Duration {
	stalls := v.stalls.of(name)
	if stalls == 0 && v.pods.answers[name].Hung && v.pods.waitedFor(name) {
		return 0
	}
	return min(urgentAfter<<stalls, max(urgentAfter, v.wanted.restoreAfter()))
}

// fellSilent says whether a node has stopped answering so lately that something
// may be about to be done about it.
func (v *view) fellSilent() bool {
	for _, since := range v.memory.silent {
		if v.now.Sub(since) <= v.wanted.restoreAfter() {
			return true
		}
	}
	return false
}

// comesBack says whether a pod is being replaced or started, which is quicker than
// to load its experts elsewhere and then back.
func comesBack(p *corev1.Pod, now time.Time) bool {
	if p == nil {
		return true // the StatefulSet's controller makes it
	}
	if p.DeletionTimestamp != nil {
		return now.Before(p.DeletionTimestamp.Time)
	}
	if p.Status.Phase == corev1.PodRunning {
		return justStarted(p, now)
	}
	if p.Status.Phase != corev1.PodPending || p.Spec.NodeName == "" {
		return false
	}
	for _, c := range p.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return false
		}
	}
	return true
}

// startTime: a process answers some tenths of a second after its container started,
// which the kubelet tells in whole seconds.
const startTime = 2 * time.Second

// justStarted allows for machines whose clocks differ by as much; with larger
// differences a start is not known to be one.
func justStarted(p *corev1.Pod, now time.Time) bool {
	for _, c := range p.Status.ContainerStatuses {
		if r := c.State.Running; r != nil && now.Sub(r.StartedAt.Time).Abs() < startTime {
			return true
		}
	}
	return false
}
