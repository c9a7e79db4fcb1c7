package controllers_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
)

// players are the StatefulSet and Deployment controllers, the scheduler and the
// kubelet, as far as the operator can tell.
type players struct {
	w *world
	// broken pods (by name, or by prefix up to "*") get this status.
	broken map[string]func(*corev1.Pod)
	// frozen is a pod whose status does not change, and which nobody replaces.
	frozen string
	// noImage cannot be pulled.
	noImage string
	// cutOff: new pods run, and the operator cannot reach them.
	cutOff bool
	// model of new pods.
	model *fleet.Model
	// machine that a new expert node is scheduled to, by name; nil: no machines.
	machine func(pod string) string
	next    int
	// templates of each Deployment, the newest last, by hash.
	templates map[string][]string
}

func newPlayers(w *world) *players {
	return &players{w: w, broken: map[string]func(*corev1.Pod){}, templates: map[string][]string{}, model: &fleet.Model{
		Fingerprint: "f00d", Name: "demo", Layers: 16, Experts: 64, ExpertsPerToken: 8, ContextLength: 4096, ExpertBytes: 1 << 20,
	}}
}

func (p *players) play() {
	p.w.Helper()
	var sets appsv1.StatefulSetList
	p.list(&sets)
	for i := range sets.Items {
		p.playSet(&sets.Items[i])
	}
	var deployments appsv1.DeploymentList
	p.list(&deployments)
	for i := range deployments.Items {
		p.playDeployment(&deployments.Items[i])
	}
	var pods corev1.PodList
	p.list(&pods)
	for i := range pods.Items {
		p.playPod(&pods.Items[i])
	}
}

// tell gives all pods their model.
func (p *players) tell(m *fleet.Model) {
	p.model = m
	var pods corev1.PodList
	p.list(&pods)
	for i := range pods.Items {
		p.w.fleet.Edit(address(&pods.Items[i]), func(q *fleettest.Pod) { q.Model = m })
	}
}

func (p *players) list(l client.ObjectList) {
	p.w.Helper()
	if err := p.w.List(p.w.Context(), l, client.InNamespace(p.w.ns)); err != nil {
		p.w.Fatal(err)
	}
}

// playSet makes pods 0..replicas-1, removes those above, and replaces one pod of
// an older template at a time, from the highest, while all others are ready.
func (p *players) playSet(s *appsv1.StatefulSet) {
	revision := s.Name + "-" + hash(&s.Spec.Template)
	pods := p.owned(s.Spec.Selector)
	var updated int32
	calm := true
	for i := int(*s.Spec.Replicas) - 1; i >= 0; i-- {
		pod, ok := pods[fmt.Sprintf("%s-%d", s.Name, i)]
		switch {
		case !ok:
			p.makePod(fmt.Sprintf("%s-%d", s.Name, i), &s.Spec.Template, s, map[string]string{appsv1.ControllerRevisionHashLabelKey: revision})
			calm = false
		case pod.Name == p.frozen:
			calm = false
		case pod.Labels[appsv1.ControllerRevisionHashLabelKey] != revision && calm:
			p.remove(&pod)
			calm = false
		case pod.Labels[appsv1.ControllerRevisionHashLabelKey] == revision:
			updated++
			calm = calm && isReady(&pod)
		}
		delete(pods, fmt.Sprintf("%s-%d", s.Name, i))
	}
	for _, pod := range pods {
		p.remove(&pod)
	}
	status := appsv1.StatefulSetStatus{ObservedGeneration: s.Generation, Replicas: *s.Spec.Replicas, UpdateRevision: revision, UpdatedReplicas: updated}
	if s.Status.ObservedGeneration != s.Generation || s.Status.UpdatedReplicas != updated || s.Status.UpdateRevision != revision {
		s.Status = status
		p.ignoreGone(p.w.Status().Update(p.w.Context(), s))
	}
}

// playDeployment makes the wanted pods of the newest template, and removes others
// once those are ready.
func (p *players) playDeployment(d *appsv1.Deployment) {
	template := hash(&d.Spec.Template)
	prefix := d.Name + "-" + template + "-"
	p.note(d, template)
	pods := p.owned(d.Spec.Selector)
	want := *d.Spec.Replicas
	ready := int32(0)
	for i := range want {
		name := fmt.Sprintf("%s%d", prefix, i)
		if pod, ok := pods[name]; !ok {
			p.makePod(name, &d.Spec.Template, d, map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: template})
		} else if isReady(&pod) {
			ready++
		}
		delete(pods, name)
	}
	for _, pod := range pods {
		if ready == want {
			p.remove(&pod)
		}
	}
	total := want + int32(len(pods)) //nolint:gosec // a handful
	if d.Status.ObservedGeneration != d.Generation || d.Status.Replicas != total || d.Status.UpdatedReplicas != want {
		d.Status.ObservedGeneration, d.Status.Replicas, d.Status.UpdatedReplicas = d.Generation, total, want
		p.ignoreGone(p.w.Status().Update(p.w.Context(), d))
	}
}

// note makes the ReplicaSet of a new template, and numbers it as the newest.
func (p *players) note(d *appsv1.Deployment, template string) {
	p.w.Helper()
	known := p.templates[d.Name]
	if len(known) > 0 && known[len(known)-1] == template {
		return
	}
	p.templates[d.Name] = append(known, template)
	revision := map[string]string{"deployment.kubernetes.io/revision": fmt.Sprint(len(known) + 1)}
	labels := map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: template}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: d.Name + "-" + template, Namespace: p.w.ns, Labels: labels, Annotations: revision}}
	set.Spec.Selector, set.Spec.Template = &metav1.LabelSelector{MatchLabels: labels}, *d.Spec.Template.DeepCopy()
	set.Spec.Template.Labels = maps.Clone(d.Spec.Template.Labels)
	maps.Copy(set.Spec.Template.Labels, labels)
	maps.Copy(set.Labels, set.Spec.Template.Labels)
	if err := p.w.Create(p.w.Context(), set); err != nil {
		p.w.Fatal(err)
	}
	p.w.patch(&appsv1.Deployment{}, d.Name, "metadata: {annotations: {deployment.kubernetes.io/revision: '"+fmt.Sprint(len(known)+1)+"'}}")
	*d = *get(p.w, &appsv1.Deployment{}, d.Name)
}

func (p *players) owned(s *metav1.LabelSelector) map[string]corev1.Pod {
	var list corev1.PodList
	if err := p.w.List(p.w.Context(), &list, client.InNamespace(p.w.ns), client.MatchingLabels(s.MatchLabels)); err != nil {
		p.w.Fatal(err)
	}
	pods := map[string]corev1.Pod{}
	for _, pod := range list.Items {
		pods[pod.Name] = pod
	}
	return pods
}

func (p *players) makePod(name string, t *corev1.PodTemplateSpec, owner client.Object, extra map[string]string) {
	p.w.Helper()
	pod := &corev1.Pod{ObjectMeta: *t.ObjectMeta.DeepCopy(), Spec: *t.Spec.DeepCopy()}
	pod.Name, pod.Namespace = name, p.w.ns
	if p.machine != nil {
		pod.Spec.NodeName = p.machine(name) // "" for routers
	}
	for k, v := range extra {
		pod.Labels[k] = v
	}
	if err := p.w.Create(p.w.Context(), pod); err != nil && !apierrors.IsAlreadyExists(err) {
		p.w.Fatalf("pod of %s: %v", owner.GetName(), err)
	}
}

func (p *players) remove(pod *corev1.Pod) {
	p.w.fleet.Stop(address(pod))
	p.ignoreGone(p.w.Delete(p.w.Context(), pod, client.GracePeriodSeconds(0)))
}

// playPod is the kubelet: it starts the program and tells what its probes say.
func (p *players) playPod(pod *corev1.Pod) {
	if pod.DeletionTimestamp != nil {
		p.remove(pod)
		return
	}
	if pod.Name == p.frozen && pod.Spec.NodeName != "" {
		return
	}
	was := pod.Status.DeepCopy()
	if breaks := p.breaks(pod); breaks != nil {
		p.w.fleet.Stop(address(pod))
		pod.Status = corev1.PodStatus{Phase: corev1.PodPending, PodIP: was.PodIP, PodIPs: was.PodIPs}
		breaks(pod)
	} else {
		p.run(pod)
	}
	if a, b := mustJSON(was), mustJSON(&pod.Status); a != b {
		p.ignoreGone(p.w.Status().Update(p.w.Context(), pod))
	}
}

func (p *players) breaks(pod *corev1.Pod) func(*corev1.Pod) {
	if image := pod.Spec.Containers[0].Image; image == p.noImage {
		return waiting("ErrImagePull", "not found")
	}
	name := pod.Name
	for pattern, f := range p.broken {
		prefix, wild := strings.CutSuffix(pattern, "*")
		if name == pattern || wild && strings.HasPrefix(name, prefix) {
			return f
		}
	}
	return nil
}

func (p *players) run(pod *corev1.Pod) {
	if pod.Status.PodIP == "" {
		p.next++
		pod.Status.PodIP = fmt.Sprintf("10.1.%d.%d", p.next/250, p.next%250+1)
		pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	}
	router := pod.Labels["app.kubernetes.io/component"] == "router"
	report, err := p.w.fleet.Describe(p.w.Context(), fleet.Pod{Address: address(pod)})
	if err != nil && !p.w.fleet.Has(address(pod)) {
		p.w.fleet.Start(address(pod), fleettest.Pod{Router: router, Model: p.model, Silent: p.cutOff})
	}
	ready := corev1.ConditionFalse
	if report != nil && report.Ready || err != nil && isReady(pod) {
		ready = corev1.ConditionTrue
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name, Image: pod.Spec.Containers[0].Image,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
	}}
}

func (p *players) ignoreGone(err error) {
	p.w.Helper()
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		p.w.Fatal(err)
	}
}

func address(pod *corev1.Pod) string { return pod.Status.PodIP + ":7070" }

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func hash(v any) string {
	sum := sha256.Sum256([]byte(mustJSON(v)))
	return hex.EncodeToString(sum[:4])
}

func mustJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
