package simulation

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
)

const templateRevision = "sim-experts-1"

// makeRouter makes a router pod, as a Deployment's controller does.
func (w *world) makeRouter() {
	w.routers++
	w.makePod(fmt.Sprintf("%s-%d", podspec.RouterName(poolName), w.routers), podspec.Router)
}

func (w *world) makePod(name, component string) {
	p := &corev1.Pod{}
	p.Name, p.Namespace, p.Labels = name, namespace, podspec.Labels(poolName, component)
	p.Labels[appsv1.ControllerRevisionHashLabelKey] = templateRevision
	p.Status.Phase = corev1.PodPending
	w.api.put(p)
	w.pods[name] = &pod{w: w, name: name, router: component == podspec.Router}
}

// playSet is the StatefulSet's controller: pods 0 to replicas-1, none above. It is
// false if there was nothing to do.
func (w *world) playSet() bool {
	s := live[*appsv1.StatefulSet](w.api, podspec.ExpertsName(poolName))
	if s == nil {
		return false
	}
	worked := false
	for i := range int(*s.Spec.Replicas) {
		if name := fmt.Sprintf("%s-%d", s.Name, i); w.api.get("Pod", name) == nil {
			w.makePod(name, podspec.ExpertNode)
			worked = true
		}
	}
	for _, name := range w.podNames() {
		p := live[*corev1.Pod](w.api, name)
		if x := w.pods[name]; !x.router && rollout.Ordinal(name) >= int(*s.Spec.Replicas) && p.DeletionTimestamp == nil {
			w.note("StatefulSet removes pod %s", name)
			w.checkRemoval(name)
			w.endPod(p)
			worked = true
		}
	}
	status := appsv1.StatefulSetStatus{
		ObservedGeneration: s.Generation, Replicas: *s.Spec.Replicas, UpdateRevision: templateRevision, UpdatedReplicas: *s.Spec.Replicas,
	}
	if s.Status.ObservedGeneration != status.ObservedGeneration || s.Status.Replicas != status.Replicas {
		s.Status = status
		w.api.put(s)
		worked = true
	}
	return worked
}

// endPod marks a pod for deletion; its kubelet does the rest.
func (w *world) endPod(p *corev1.Pod) {
	at := metav1.NewTime(w.now.Add(120 * time.Second))
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, ptr(int64(120))
	w.api.put(p)
}

// playRouters is the Deployment's controller: a router for each that went.
func (w *world) playRouters(want int) bool {
	n := 0
	for _, name := range w.podNames() {
		if w.pods[name].router {
			n++
		}
	}
	if n < want {
		w.makeRouter()
	}
	return n < want
}

// kubelet brings a pod a step on; false if there was nothing to do.
func (w *world) kubelet(x *pod) bool {
	p := live[*corev1.Pod](w.api, x.name)
	switch {
	case x.lost:
		return w.nodeController(p)
	case p.DeletionTimestamp != nil:
		return w.terminate(x, p)
	case x.prog == nil:
		w.instances++
		if x.ip == "" {
			x.ip = fmt.Sprintf("10.%d.%d.%d", w.instances>>16, w.instances>>8&255, w.instances&255)
			x.machine = w.machine()
			x.mount()
		}
		x.start()
		p.Spec.NodeName, p.Status.PodIP = x.machine, x.ip
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "program", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		w.setReady(p, false)
		return true
	}
	return w.setReady(p, !x.frozen && x.prog.ready())
}

func (w *world) setReady(p *corev1.Pod, ready bool) bool {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	if len(p.Status.Conditions) > 0 && diagnose.Ready(p) == ready {
		return false
	}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(w.now)}}
	w.api.put(p)
	return true
}

// nodeController marks the pods of a machine that does not answer, and evicts them.
func (w *world) nodeController(p *corev1.Pod) bool {
	if w.setReady(p, false) {
		return true
	}
	if p.DeletionTimestamp != nil || w.rnd.IntN(4) > 0 {
		return false
	}
	w.endPod(p)
	return true
}

// terminate ends a pod that is being deleted: it drains, until no router needs it
// or its grace is over, and is gone.
func (w *world) terminate(x *pod, p *corev1.Pod) bool {
	if x.up() && !x.prog.draining {
		x.prog.draining = true
		return true
	}
	if x.up() && w.now.Before(p.DeletionTimestamp.Time) && w.inUse(x) {
		return false
	}
	w.gone(x)
	return true
}

// inUse says whether a call waits for the pod's answer, or is the router's own.
func (w *world) inUse(x *pod) bool {
	if x.router {
		return len(x.prog.router.calls) > 0
	}
	for _, r := range w.running(true) {
		if _, known := r.prog.router.known[x.name]; known {
			return true
		}
		for _, c := range r.prog.router.calls {
			for _, q := range c.pairs {
				if q.node == x.name && !q.done {
					return true
				}
			}
		}
	}
	return false
}

// gone removes a pod and its object.
func (w *world) gone(x *pod) {
	w.api.remove("Pod", x.name)
	delete(w.pods, x.name)
}

// mount is what the kubelet does with the record: the file follows a while later.
func (x *pod) mount() bool {
	m := live[*corev1.ConfigMap](x.w.api, podspec.PlacementName(poolName))
	if m == nil || m.Data[podspec.PlacementKey] == string(x.file) {
		return false // a record that is gone leaves the file
	}
	x.file = []byte(m.Data[podspec.PlacementKey])
	return true
}
