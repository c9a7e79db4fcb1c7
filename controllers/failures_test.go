package controllers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
)

// waiting makes a container wait for a reason.
func waiting(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: p.Spec.Containers[0].Name, Image: p.Spec.Containers[0].Image,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}
	}
}

// crashed makes a container wait after it ended with a termination message.
func crashed(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		waiting("CrashLoopBackOff", "back-off 10s restarting failed container")(p)
		p.Status.ContainerStatuses[0].RestartCount = 4
		p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: reason, Message: message}
	}
}

func unscheduled(message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message}}
	}
}

// TestReasons: what is wrong with a pod of either kind shows in the status of what
// the user wrote, with the pod and what to do; and when it is mended, all goes on.
func TestReasons(t *testing.T) {
	cases := []struct {
		name, pods, reason string
		broken             func(*corev1.Pod)
		want               []string
	}{
		{"model not found", "demo-experts-1", v1alpha1.ReasonModelNotFound, crashed("Error", "ModelNotFound: /model/config.json does not exist"),
			[]string{"demo-experts-1", "/model/config.json does not exist", "put the checkpoint where model.source says"}},
		{"model invalid, router", "demo-router-*", v1alpha1.ReasonModelInvalid, crashed("Error", "ModelInvalid: model.safetensors: header of 2^60 bytes"),
			[]string{"demo-router-", "header of 2^60 bytes", "replace the checkpoint"}},
		{"image", "demo-experts-*", v1alpha1.ReasonImagePullFailed, waiting("ImagePullBackOff", "Back-off pulling image"),
			[]string{"demo-experts-0", ownImage, "check spec.image"}},
		{"crash loop", "demo-router-*", v1alpha1.ReasonCrashLoop, crashed("Error", "panic: something"), []string{"keeps failing: panic: something"}},
		{"unschedulable", "demo-experts-1", v1alpha1.ReasonUnschedulable, unscheduled("0/2 nodes are available: 2 Insufficient memory."),
			[]string{"demo-experts-1 cannot be scheduled: 0/2 nodes", "add a machine"}},
		{"out of memory", "demo-experts-0", v1alpha1.ReasonCrashLoop, crashed("OOMKilled", ""), []string{"raise resources.limits.memory"}},
		{"no claim", "demo-*", v1alpha1.ReasonVolumeNotFound, unscheduled(`persistentvolumeclaim "models" not found`), []string{"create the PersistentVolumeClaim"}},
		{"secret missing", "demo-router-*", v1alpha1.ReasonPodConfigError, waiting("CreateContainerConfigError", `secret "x" not found`), []string{`secret "x" not found`}},
	}
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	for _, c := range cases {
		w.players.broken[c.pods] = c.broken
		message := w.untilReason(c.reason)
		for _, want := range c.want {
			if !strings.Contains(message, want) {
				t.Errorf("%s: %q lacks %q", c.name, message, want)
			}
		}
		delete(w.players.broken, c.pods)
	}
	w.untilReady()
	w.until(func() string { return w.warned(v1alpha1.ReasonImagePullFailed) })
}

// TestNoMachineYet: a pod that waits for a machine is told, as what may pass; and as what
// needs somebody once it has lasted, with an event.
func TestNoMachineYet(t *testing.T) {
	w := newWorld(t)
	since := time.Now()
	w.players.broken["demo-experts-1"] = func(p *corev1.Pod) {
		unscheduled("0/2 nodes are available: 2 Insufficient memory.")(p)
		p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(since)
	}
	w.create("demo", model+"expertNodes: 2")
	w.until(func() string {
		return w.not(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonUnschedulable)
	})
	if c := conditions.Of(w.deployment().Status.Conditions, v1alpha1.ConditionStalled); c.Status == metav1.ConditionTrue {
		t.Errorf("Stalled at once: %s", c.Message)
	}
	since = since.Add(-time.Hour)
	w.untilReason(v1alpha1.ReasonUnschedulable)
	w.until(func() string { return w.warned(v1alpha1.ReasonUnschedulable) })
	delete(w.players.broken, "demo-experts-1")
	w.untilReady()
}

// TestPlacementRefused: pods that do not take the placement are told with their own words;
// after some minutes as what needs somebody.
func TestPlacementRefused(t *testing.T) {
	w := newWorldAt(t, fastClock{time.Now(), 40}) // what passes lasts 7 s
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	pod := &corev1.Pod{}
	if err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "demo-experts-1"}, pod); err != nil {
		t.Fatal(err)
	}
	w.fleet.Edit(address(pod), func(p *fleettest.Pod) { p.Refuses = "placement document, revision 7: of a later format" })
	w.setNodes(3)
	w.until(func() string {
		return w.not(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonPlacementRefused)
	})
	message := w.untilReason(v1alpha1.ReasonPlacementRefused)
	if want := "pod demo-experts-1 refuses the placement: placement document, revision 7: of a later format"; !strings.Contains(message, want) {
		t.Errorf("%q lacks %q", message, want)
	}
	w.until(func() string { return w.warned(v1alpha1.ReasonPlacementRefused) })
	w.fleet.Edit(address(pod), func(p *fleettest.Pod) { p.Refuses = "" })
	w.untilReady()
}

// TestRefusedKeysAreNamed: the CRD checks the values of maps, and not their keys (a schema has
// no pattern for these); those that the API server refuses in a child are told with the field.
func TestRefusedKeysAreNamed(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	for _, c := range []struct{ of, field, keys, child, says string }{
		{"experts", "nodeSelector", "'a key': x", "StatefulSet demo-experts", `spec.template.spec.nodeSelector: Invalid value: "a key"`},
		{"experts", "podLabels", "a/b/c: x", "StatefulSet demo-experts", `spec.template.labels: Invalid value: "a/b/c"`},
		{"routers", "podAnnotations", "'a key': x", "Deployment demo-router", `spec.template.annotations: Invalid value: "a key"`},
		{"service", "annotations", "'a key': x", "Service demo-router", `metadata.annotations: Invalid value: "a key"`},
	} {
		w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {"+c.of+": {"+c.field+": {"+c.keys+"}}}")
		if said := w.untilReason(v1alpha1.ReasonChildRefused); !strings.Contains(said, c.child) || !strings.Contains(said, c.says) {
			t.Errorf("%s.%s {%s}: %q does not name %s of %s", c.of, c.field, c.keys, said, c.says, c.child)
		}
		w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {"+c.of+": {"+c.field+": null}}")
		w.untilReady()
	}
}

// TestRouterSays: what a router says of itself while it is not ready is told, and the same
// words are written once (invariant 7).
func TestRouterSays(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2\nrouters: {replicas: 1}")
	w.untilReady()
	at := address(&w.routerPods()[0])
	w.fleet.Edit(at, func(p *fleettest.Pod) { p.Says = "expert node demo-experts-1: i/o timeout" })
	w.until(func() string {
		c := conditions.Of(w.deployment().Status.Conditions, v1alpha1.ConditionReady)
		if c.Reason != v1alpha1.ReasonRoutersNotReady || !strings.Contains(c.Message, "says: expert node demo-experts-1: i/o timeout") {
			return c.Reason + ": " + c.Message
		}
		return ""
	})
	w.checkQuiet()
	w.fleet.Edit(at, func(p *fleettest.Pod) { p.Says = "" })
	w.untilReady()
}

// TestUnreachablePods: pods that run, and that the operator cannot reach, are told with
// their address and what to do; after some minutes as what needs somebody.
func TestUnreachablePods(t *testing.T) {
	w := newWorldAt(t, fastClock{time.Now(), 20}) // what passes lasts 13 s, a dozen rounds: it can be seen
	w.players.cutOff = true
	w.create("demo", model+"expertNodes: 2")
	w.until(func() string {
		return w.not(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonPodsUnreachable)
	})
	message := w.untilReason(v1alpha1.ReasonPodsUnreachable)
	for _, want := range []string{"cannot reach pod demo-", " at 10.1.", "connection refused (and ", "let it reach port 7070", "NetworkPolicy"} {
		if !strings.Contains(message, want) {
			t.Errorf("%q lacks %q", message, want)
		}
	}
	w.until(func() string { return w.warned(v1alpha1.ReasonPodsUnreachable) })
	var pods corev1.PodList
	w.players.list(&pods)
	for i := range pods.Items {
		w.fleet.Edit(address(&pods.Items[i]), func(p *fleettest.Pod) { p.Silent = false })
	}
	w.untilReady()
}

// warned looks for a warning about the deployment.
func (w *world) warned(reason string) string {
	var list eventsv1.EventList
	if err := w.List(w.Context(), &list, client.InNamespace(w.ns)); err != nil {
		w.Fatal(err)
	}
	for _, e := range list.Items {
		if e.Regarding.Kind == "OLMoEDeployment" && e.Reason == reason && e.Type == corev1.EventTypeWarning {
			return ""
		}
	}
	return "no event tells of " + reason
}

// TestMissingDirectory: the kubelet tells of a missing host path in events only.
func TestMissingDirectory(t *testing.T) {
	w := newWorld(t)
	w.players.broken["demo-experts-0"] = waiting("ContainerCreating", "")
	w.create("demo", model+"expertNodes: 1")
	w.event(w.hangingPod(), "FailedMount", `MountVolume.SetUp failed for volume "model" : hostPath type check failed: /var/lib/olmoe/models/demo is not a directory`)
	if m := w.untilReason(v1alpha1.ReasonModelNotFound); !strings.Contains(m, "not on machine node1") {
		t.Errorf("%q must name the machine", m)
	}
	w.correctedSpecReplaces("demo-experts-0")
}

// TestHangingPodIsReplaced: a corrected spec gets through also if nobody tells why a pod
// of the one before does not start.
func TestHangingPodIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.players.broken["demo-experts-0"] = func(p *corev1.Pod) {
		waiting("PodInitializing", "")(p)
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.ContainersReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour)),
		}}
	}
	w.create("demo", model+"expertNodes: 1")
	w.hangingPod()
	w.correctedSpecReplaces("demo-experts-0")
}

// hangingPod waits until demo-experts-0 is on machine node1, where it does not start.
func (w *world) hangingPod() *corev1.Pod {
	pod := &corev1.Pod{}
	w.until(func() string {
		w.players.bind("demo-experts-0", "node1")
		if w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "demo-experts-0"}, pod) != nil || pod.Spec.NodeName == "" || len(pod.Status.ContainerStatuses) == 0 {
			return "no pod yet"
		}
		return ""
	})
	return pod
}

// correctedSpecReplaces chooses other machines: the pod that hangs is replaced, although
// it is not ready.
func (w *world) correctedSpecReplaces(pod string) {
	delete(w.players.broken, pod)
	w.players.frozen = pod
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {experts: {nodeSelector: {disk: nvme}}}")
	w.until(func() string {
		if p := (&corev1.Pod{}); w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: pod}, p) == nil && p.Spec.NodeSelector["disk"] == "" {
			return "the pod of the old spec is still there"
		}
		return ""
	})
	w.players.frozen = ""
	w.untilReady()
}

func (p *players) bind(pod, machine string) {
	b := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: machine}}
	_ = p.w.SubResource("binding").Create(p.w.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.w.ns, Name: pod}}, b)
}

func (w *world) event(about client.Object, reason, message string) {
	w.Helper()
	e := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: "e-", Namespace: w.ns},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: w.ns, Name: about.GetName(), UID: about.GetUID()},
		Reason:         reason, Message: message, Type: corev1.EventTypeWarning, LastTimestamp: metav1.NewTime(time.Now()),
	}
	if err := w.Create(w.Context(), e); err != nil {
		w.Fatal(err)
	}
}

func TestNotEnoughSlots(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2\nexperts: {slotsPerNode: 16}")
	if m := w.untilReason(v1alpha1.ReasonNotEnoughSlots); !strings.Contains(m, "slotsPerNode to at least 32, or the number of nodes to at least 4") {
		t.Errorf("%q must say how to make room", m)
	}
	w.setNodes(4)
	w.untilReady()
	w.setNodes(2)
	w.untilReason(v1alpha1.ReasonNotEnoughSlots)
	if said := w.not(v1alpha1.ConditionAvailable, "True", v1alpha1.ReasonServing); said != "" {
		t.Errorf("a spec that cannot be met must not stop what works: %s", said)
	}
}

func TestModelMismatch(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	w.players.model = &fleet.Model{Fingerprint: "beef", Layers: 16, Experts: 64}
	w.setNodes(3)
	if m := w.untilReason(v1alpha1.ReasonModelMismatch); !strings.Contains(m, "pod demo-experts-2 sees a checkpoint with fingerprint beef") {
		t.Errorf("%q must name the pod", m)
	}
	if n := len(w.document().Serving.Nodes); n != 2 {
		t.Errorf("%d nodes in the placement, want 2: the other model must not join", n)
	}
	// What a lost node holds finds another owner all the same.
	const victim = "demo-experts-0"
	w.fleet.Hold(true) // the target stays where it is seen
	w.fleet.Edit(address(get(w, &corev1.Pod{}, victim)), func(p *fleettest.Pod) { p.Frozen = true })
	w.alarm(victim)
	w.watch(patience, func() string {
		if !w.movedFrom(victim) {
			return "no placement without " + victim
		}
		return ""
	})
	w.watch(patience, func() string { return w.not(v1alpha1.ConditionStalled, "True", v1alpha1.ReasonModelMismatch) })
}

// TestNameConflict: a child's name that is taken is told, and the other object
// stays as it is.
func TestNameConflict(t *testing.T) {
	w := newWorld(t)
	mine := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "demo-router", Namespace: w.ns},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 99}}}}
	if err := w.Create(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	w.create("demo", model)
	if m := w.untilReason(v1alpha1.ReasonNameConflict); !strings.Contains(m, "Service demo-router exists and belongs to somebody else") {
		t.Errorf("%q", m)
	}
	if p := get(w, &corev1.Service{}, "demo-router").Spec.Ports[0].Port; p != 99 {
		t.Errorf("the other's service has port %d now", p)
	}
}

// TestBrokenPodsCanBeEvicted: a disruption budget does not keep a machine from being
// emptied because of a pod that is not ready anyway.
func TestBrokenPodsCanBeEvicted(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	var pods corev1.PodList
	w.players.list(&pods)
	for i := range pods.Items {
		pod := &pods.Items[i]
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
		if err := w.Status().Update(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		limit, cancel := context.WithTimeout(t.Context(), 5*time.Second) // a client tries again when it is refused
		e := &policyv1.Eviction{DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: new(int64)}}
		if err := w.SubResource("eviction").Create(limit, pod, e); err != nil {
			t.Errorf("%s is not ready; its eviction: %v", pod.Name, err)
		}
		cancel()
	}
}

// TestPoolMadeAnew: a pool that somebody deletes comes back, although children of
// the old one are still there for a while, and serves as before.
func TestPoolMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	doc, old := w.document(), w.pool()
	if err := w.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	w.until(func() string {
		if p := (&v1alpha1.ExpertPool{}); w.Get(t.Context(), client.ObjectKeyFromObject(old), p) != nil || p.UID == old.UID {
			return "no new pool"
		}
		return ""
	})
	w.until(func() string { // the new pool says what it waits for
		c := conditions.Of(w.deployment().Status.Conditions, v1alpha1.ConditionReconciling)
		if c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "of a deleted ExpertPool demo is still there") {
			return "condition Reconciling says " + c.Message
		}
		return ""
	})
	for _, o := range []client.Object{&appsv1.StatefulSet{}, &corev1.Service{}, &corev1.ServiceAccount{}, &policyv1.PodDisruptionBudget{}, &corev1.ConfigMap{}} {
		name := "demo-experts"
		if _, ok := o.(*corev1.ConfigMap); ok {
			name = "demo-placement"
		}
		if err := w.Delete(t.Context(), get(w, o, name)); err != nil { // the garbage collector
			t.Fatal(err)
		}
	}
	w.until(func() string {
		return w.not(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAsWanted) + w.gone("demo-placement")
	})
	if now := w.document(); mustJSON(now) != mustJSON(doc) {
		t.Errorf("the placement has changed: revision %d, then %d", doc.Revision, now.Revision)
	}
}

func (w *world) gone(configMap string) string {
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: configMap}, &corev1.ConfigMap{})
	if err != nil {
		return " " + err.Error()
	}
	return ""
}

// TestChildRefused: what only the API server's check of a child finds is told.
func TestChildRefused(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"routers: {podAnnotations: {'a b': x}}")
	if m := w.untilReason(v1alpha1.ReasonChildRefused); !strings.Contains(m, "template.annotations") {
		t.Errorf("%q must name the field", m)
	}
}

// TestCorrectedSpecGetsThrough: after an image that cannot be pulled, the right
// one replaces all pods, although the StatefulSet waits for pods that never were
// ready.
func TestCorrectedSpecGetsThrough(t *testing.T) {
	w := newWorld(t)
	w.players.noImage = "wrong"
	w.create("demo", model+"expertNodes: 3\nimage: wrong")
	w.untilReason(v1alpha1.ReasonImagePullFailed)
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {image: right}")
	w.untilReady()
}

// TestOldProblemsAreNotOfTheNewSpec: after a spec that cannot work, the corrected one
// is not told to be stalled by what pods of the old one say, however long those stay.
func TestOldProblemsAreNotOfTheNewSpec(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.players.noImage = "wrong"
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {image: wrong}")
	w.untilReason(v1alpha1.ReasonImagePullFailed)
	w.fleet.Hold(true) // new pods do not become ready, so old ones stay
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {image: right}")
	begun := time.Now()
	w.until(func() string {
		d := w.deployment()
		if c := conditions.Of(d.Status.Conditions, v1alpha1.ConditionStalled); c.Status == metav1.ConditionTrue && c.ObservedGeneration == d.Generation {
			t.Fatalf("the corrected spec is Stalled: %s", c.Message)
		}
		if time.Since(begun) < 7*time.Second { // more than stalledInterval
			return "waiting for more rounds"
		}
		return ""
	})
	w.fleet.Hold(false)
	w.untilReady()
}
