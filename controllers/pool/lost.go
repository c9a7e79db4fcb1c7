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

// losses tells which nodes of the placement are lost: silent for so long that their
// experts need other owners.
type losses struct {
	pods         pods
	silent       map[string]time.Time // since when a node has not answered, by name; of the memory
	stalls       stalls               // of the alarms
	restoreAfter time.Duration
	now          time.Time
}

// note remembers which of the named nodes have stopped answering, and since when.
func (l losses) note(named map[string]bool) {
	for name := range l.silent {
		if !named[name] {
			delete(l.silent, name)
		}
	}
	for name := range named {
		if l.pods.report(name) != nil {
			delete(l.silent, name)
		} else if l.silent[name].IsZero() {
			l.silent[name] = l.now
		}
	}
	l.stalls.note(l)
}

// lost says whether a node's experts shall get other owners. While requests are
// served it takes restoreAfterSeconds, and the kubelet must agree: a node that
// only the operator cannot reach serves on. Once a router misses an expert it takes
// patience, unless the pod is on its way back by itself.
func (l losses) lost(name string) bool {
	since := l.silent[name]
	if since.IsZero() {
		return false
	}
	silent := l.now.Sub(since)
	pod := l.pods.expert(name)
	if (l.pods.missesExperts() || l.pods.waitedFor(name)) && silent >= l.patience(name) && !comesBack(pod, l.now) {
		return true
	}
	return silent >= l.restoreAfter && (pod == nil || !diagnose.Ready(pod) || l.pods.missesExperts())
}

// givenUp are the nodes of the placement in force that the next one does without
// because they are lost.
func (l losses) givenUp(doc *placement.Document) (names []string) {
	if doc.Serving == nil {
		return nil
	}
	for i := range doc.Serving.Nodes {
		name := doc.Serving.Nodes[i].Name
		kept := slices.ContainsFunc(doc.Target.Nodes, func(n placement.Node) bool { return n.Name == name })
		if !kept && l.lost(name) {
			names = append(names, name)
		}
	}
	return names
}

// patience is how long to wait for a silent node whose experts a router misses. It is
// zero once both have found the node silent, each by waiting: the router, which it owes
// answers, and the operator, whose question it should answer from memory. A node that
// was given up before and came back at once gets more each time.
func (l losses) patience(name string) time.Duration {
	stalls := l.stalls.of(name)
	if stalls == 0 && l.pods.answers[name].Hung && l.pods.waitedFor(name) {
		return 0
	}
	return min(urgentAfter<<stalls, max(urgentAfter, l.restoreAfter))
}

// lately says whether a node has stopped answering so lately that something may be
// about to be done about it.
func (l losses) lately() bool {
	for _, since := range l.silent {
		if l.now.Sub(since) <= l.restoreAfter {
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
