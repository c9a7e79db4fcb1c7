package controllers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

const model = "model: {source: 'file:///var/lib/olmoe/models/demo'}\n"

// document is the published one.
func (w *world) document() *placement.Document {
	w.Helper()
	var d placement.Document
	cm := get(w, &corev1.ConfigMap{}, "demo-placement")
	if err := json.Unmarshal([]byte(cm.Data["placement.json"]), &d); err != nil {
		w.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		w.Fatal(err)
	}
	return &d
}

// TestFromNothingToReady: every expert has an owner before Ready is True, and the
// status says what a user wants to know.
func TestFromNothingToReady(t *testing.T) {
	w := newWorld(t)
	created := w.create("demo", model+"expertNodes: 3\nrouters: {replicas: 2}")
	w.until(func() string {
		d := w.deployment()
		if conditions.Of(d.Status.Conditions, v1alpha1.ConditionReady).Status == metav1.ConditionTrue && d.Status.Summary.Experts != "1024/1024" {
			t.Fatalf("Ready with %s experts covered", d.Status.Summary.Experts)
		}
		return w.not(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAsWanted)
	})
	d := w.deployment()
	want := v1alpha1.Summary{Routers: "2/2", ExpertNodes: "3/3", Experts: "1024/1024", Balancedness: "0.97"}
	if d.Status.Summary != want {
		t.Errorf("summary %+v, want %+v", d.Status.Summary, want)
	}
	if d.Status.Endpoint != "http://demo-router."+w.ns+".svc" || d.Status.Image != ownImage {
		t.Errorf("endpoint %q, image %q", d.Status.Endpoint, d.Status.Image)
	}
	if m := d.Status.Model; m == nil || m.Layers != 16 || m.Experts != 64 || m.Fingerprint != "f00d" {
		t.Errorf("model %+v", m)
	}
	for kind, status := range map[string]metav1.ConditionStatus{
		v1alpha1.ConditionAvailable: metav1.ConditionTrue, v1alpha1.ConditionReconciling: metav1.ConditionFalse, v1alpha1.ConditionStalled: metav1.ConditionFalse,
	} {
		if c := conditions.Of(d.Status.Conditions, kind); c.Status != status || c.ObservedGeneration != d.Generation {
			t.Errorf("%s is %s (generation %d), want %s", kind, c.Status, c.ObservedGeneration, status)
		}
	}
	doc := w.document()
	if doc.Serving == nil || doc.Target != nil || len(doc.Serving.Nodes) != 3 || doc.Model != "f00d" {
		t.Errorf("document %+v: want one placement in force on 3 nodes", doc)
	}
	if a := doc.Serving.Nodes[2].Address; a != "demo-experts-2.demo-experts."+w.ns+".svc:7070" {
		t.Errorf("address %q", a)
	}
	w.checkOwners()
	w.checkUsersObject(created)
}

// checkUsersObject: the operator has written nothing of it but the status (invariant 5).
// before is the object as the user wrote it last.
func (w *world) checkUsersObject(before *v1alpha1.OLMoEDeployment) {
	w.Helper()
	now := w.deployment()
	if !equality.Semantic.DeepEqual(now.Spec, before.Spec) || now.Generation != before.Generation {
		w.Errorf("the spec has changed: %+v, was %+v", now.Spec, before.Spec)
	}
	fields := func(d *v1alpha1.OLMoEDeployment) (list []metav1.ManagedFieldsEntry) {
		for _, e := range d.ManagedFields {
			if e.Subresource != "status" {
				list = append(list, e)
			}
		}
		return list
	}
	if a, b := fields(now), fields(before); !equality.Semantic.DeepEqual(a, b) {
		w.Errorf("fields outside of the status have other owners: %v, was %v", a, b)
	}
}

// child of a deployment, or of its pool.
type child struct {
	object client.Object
	name   string
	ofPool bool
}

// children are all that the operator makes of a deployment.
func children() []child {
	return []child{
		{&v1alpha1.ExpertPool{}, "demo", false}, {&appsv1.Deployment{}, "demo-router", false}, {&corev1.Service{}, "demo-router", false},
		{&corev1.ServiceAccount{}, "demo-router", false}, {&policyv1.PodDisruptionBudget{}, "demo-router", false},
		{&appsv1.StatefulSet{}, "demo-experts", true}, {&corev1.Service{}, "demo-experts", true},
		{&corev1.ServiceAccount{}, "demo-experts", true}, {&policyv1.PodDisruptionBudget{}, "demo-experts", true},
		{&corev1.ConfigMap{}, "demo-placement", true},
	}
}

// checkOwners: the garbage collector (which does not run here) deletes everything
// with the OLMoEDeployment.
func (w *world) checkOwners() {
	w.Helper()
	d, pool := w.deployment(), w.pool()
	if len(d.Finalizers) != 0 || len(pool.Finalizers) != 0 {
		w.Error("a finalizer would keep the object when the operator is gone")
	}
	for _, c := range children() {
		var owner client.Object = d
		if c.ofPool {
			owner = pool
		}
		if o := get(w, c.object, c.name); !metav1.IsControlledBy(o, owner) {
			w.Errorf("%T %s is not controlled by %T", o, c.name, owner)
		}
	}
}

// TestQuietClusterIsQuiet: reconciles at rest write nothing (invariant 7).
func TestQuietClusterIsQuiet(t *testing.T) {
	w := newWorld(t)
	w.create("demo", strings.Replace(model, "}", ", weights: int8}", 1)+`expertNodes: 2
routers:
  resources: {requests: {cpu: "0.5", memory: 1024Mi}, limits: {memory: 2048Mi}}
  nodeSelector: {kubernetes.io/os: linux}
  tolerations: [{key: gpu, operator: Exists, effect: NoSchedule}]
  podLabels: {team: nlp}
  podAnnotations: {note: "1"}
  maxQueue: 10
  terminationGracePeriodSeconds: 600
  apiKeySecret: {name: api, key: key}
  weightsCacheLimit: 0
experts:
  weightsCacheLimit: 1.2341Gi
  resources: {requests: {cpu: 1000m, memory: 1.2341Gi}}
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]}]}}}
imagePullSecrets: [{name: regcred}]
service: {type: NodePort, port: 8080, annotations: {example.org/lb: internal}}
`)
	w.untilReady()
	time.Sleep(time.Second) // events are written a moment later
	before, calls := w.writes.Load(), w.fleet.Calls()
	for i := range 3 {
		w.patch(&corev1.Pod{}, "demo-experts-0", fmt.Sprintf("metadata: {annotations: {touched: '%d'}}", i))
		time.Sleep(300 * time.Millisecond)
	}
	w.until(func() string {
		if w.fleet.Calls() < calls+9 {
			return "the operator did not reconcile"
		}
		return ""
	})
	if n := w.writes.Load() - before; n != 0 {
		t.Errorf("%d writes at rest, want none", n)
	}
}

// TestDriftIsRepaired: what somebody changes or deletes comes back.
func TestDriftIsRepaired(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2\nrouters: {replicas: 1}")
	w.untilReady()
	doc := w.document()
	w.patch(&appsv1.Deployment{}, "demo-router", "spec: {replicas: 5}")
	w.patch(&appsv1.StatefulSet{}, "demo-experts", "spec: {replicas: 1}")
	w.patch(&corev1.Service{}, "demo-router", "spec: {ports: [{name: http, port: 99, targetPort: http}]}")
	w.patch(&v1alpha1.ExpertPool{}, "demo", "spec: {replicas: 7, image: 'elsewhere:1', imagePullPolicy: Never, experts: {replicasPerExpert: 2}}")
	w.patch(&corev1.ConfigMap{}, "demo-placement", `data: {placement.json: "{}"}`)
	w.patch(&policyv1.PodDisruptionBudget{}, "demo-experts", "spec: {maxUnavailable: 100%}")
	w.patch(&corev1.ServiceAccount{}, "demo-experts", "automountServiceAccountToken: true")
	w.until(func() string {
		sa := get(w, &corev1.ServiceAccount{}, "demo-experts")
		pool := w.pool()
		svc := get(w, &corev1.Service{}, "demo-router").Spec.Ports
		switch {
		case *get(w, &appsv1.Deployment{}, "demo-router").Spec.Replicas != 1:
			return "router replicas"
		case *get(w, &appsv1.StatefulSet{}, "demo-experts").Spec.Replicas != 2:
			return "expert replicas"
		case len(svc) != 1 || svc[0].Port != 80:
			return fmt.Sprint("service ports ", svc)
		case *pool.Spec.Replicas != 2 || *pool.Spec.Experts.ReplicasPerExpert != 1:
			return "pool"
		case pool.Spec.Image != ownImage || pool.Spec.ImagePullPolicy != corev1.PullIfNotPresent:
			return fmt.Sprintf("the pool's image is %s, to be pulled %s", pool.Spec.Image, pool.Spec.ImagePullPolicy)
		case get(w, &policyv1.PodDisruptionBudget{}, "demo-experts").Spec.MaxUnavailable.String() != "1":
			return "disruption budget"
		case *sa.AutomountServiceAccountToken:
			return "token"
		case get(w, &corev1.ConfigMap{}, "demo-placement").Data["placement.json"] == "{}":
			return "placement"
		}
		return ""
	})
	w.untilReady()
	if got := w.document(); mustJSON(got.Serving.Nodes) != mustJSON(doc.Serving.Nodes) {
		t.Error("the placement has changed although the spec has not")
	}
	doc = w.document()
	for _, o := range []client.Object{&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "demo-placement"}}, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts"}}} {
		o.SetNamespace(w.ns)
		if err := w.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	w.until(func() string {
		if w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "demo-placement"}, &corev1.ConfigMap{}) != nil ||
			w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "demo-experts"}, &corev1.Service{}) != nil {
			return "deleted children are not back"
		}
		return ""
	})
	if got := w.document(); mustJSON(got) != mustJSON(doc) {
		t.Error("the placement that came back is not the one that was lost")
	}
}
