package controllers_test

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
)

// TestFailoverDespiteRefusedChild: what the API server refuses is told, and keeps a lost
// node's experts neither from the record nor from the pods.
func TestFailoverDespiteRefusedChild(t *testing.T) {
	cases := []struct {
		name, reason string
		refuse       func(*world)
	}{
		{"StatefulSet", v1alpha1.ReasonChildRefused, func(w *world) {
			w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {experts: {affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: ''}]}}}}")
		}},
		{"PodDisruptionBudget", v1alpha1.ReasonChildRefused, func(w *world) {
			w.quota("count/poddisruptionbudgets.policy")
			w.remove(&policyv1.PodDisruptionBudget{}, "demo-experts")
		}},
		{"Service of somebody else", v1alpha1.ReasonNameConflict, func(w *world) {
			w.stopOperator()
			w.remove(&corev1.Service{}, "demo-experts")
			mine := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts", Namespace: w.ns}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 99}}}}
			if err := w.Create(w.Context(), mine); err != nil {
				w.Fatal(err)
			}
			w.startOperator(ownImage)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.create("demo", model+"expertNodes: 3")
			w.untilReady()
			c.refuse(w)
			w.untilReason(c.reason)
			const victim = "demo-experts-1"
			survivor := address(get(w, &corev1.Pod{}, "demo-experts-0"))
			w.fleet.Hold(true) // the target stays where it is seen
			w.fleet.Edit(address(get(w, &corev1.Pod{}, victim)), func(p *fleettest.Pod) { p.Frozen = true })
			w.alarm(victim)
			w.watch(15*time.Second, func() string {
				doc := w.document()
				if doc.Target == nil || doc.Target.Node(victim) != nil {
					return "no placement without " + victim + " in the record"
				}
				said := "no pod knows the placement"
				w.fleet.Edit(survivor, func(p *fleettest.Pod) {
					if p.Doc.Revision == doc.Revision {
						said = ""
					}
				})
				return said
			})
			if a, b := w.pool().Status.Placement.Revision, w.document().Revision; a != b {
				t.Errorf("revision %d in the status, %d in the record", a, b)
			}
		})
	}
}

// TestUnpublishedIsNotTold: a placement that cannot be written, because its name belongs
// to somebody else, is not told to be published.
func TestUnpublishedIsNotTold(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	w.stopOperator()
	revision := w.document().Revision
	w.remove(&corev1.ConfigMap{}, "demo-placement")
	if err := w.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "demo-placement", Namespace: w.ns}}); err != nil {
		t.Fatal(err)
	}
	w.startOperator(ownImage)
	w.untilReason(v1alpha1.ReasonNameConflict)
	w.fleet.Edit(address(get(w, &corev1.Pod{}, "demo-experts-1")), func(p *fleettest.Pod) { p.Frozen = true })
	w.alarm("demo-experts-1")
	calls := w.fleet.Calls()
	w.watch(patience, func() string {
		if w.fleet.Calls() < calls+12 {
			return "the operator did not look"
		}
		return ""
	})
	if p := w.pool().Status.Placement; p.Revision != revision {
		t.Errorf("the status tells of placement revision %d, published is %d", p.Revision, revision)
	}
}

// quota leaves no room for another object of a resource.
func (w *world) quota(of corev1.ResourceName) {
	w.Helper()
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "full", Namespace: w.ns}}
	q.Spec.Hard = corev1.ResourceList{of: resource.MustParse("1")}
	if err := w.Create(w.Context(), q); err != nil {
		w.Fatal(err)
	}
	q.Status.Hard, q.Status.Used = q.Spec.Hard, corev1.ResourceList{of: resource.MustParse("2")}
	if err := w.Status().Update(w.Context(), q); err != nil {
		w.Fatal(err)
	}
	try := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "try", Namespace: w.ns}}
	w.watch(patience, func() string { // until the API server has heard of it
		if w.Create(w.Context(), try.DeepCopy(), client.DryRunAll) == nil {
			return "the quota is not in force"
		}
		return ""
	})
}

// remove deletes an object at once.
func (w *world) remove(o client.Object, name string) {
	w.Helper()
	if err := w.Delete(w.Context(), get(w, o, name), client.GracePeriodSeconds(0)); err != nil {
		w.Fatal(err)
	}
}

// TestImageOutlivesALeftoverPool: what the status says the pods run decides (docs/adr/0072),
// also after a time in which the pool's name belonged to a deleted deployment.
func TestImageOutlivesALeftoverPool(t *testing.T) {
	w := newWorld(t)
	w.stopOperator()
	const kept = "registry.example/olmoe:kept"
	d := w.create("demo", model+"expertNodes: 2")
	d.Status.Image = kept
	if err := w.Status().Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	old := &v1alpha1.ExpertPool{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: w.ns, OwnerReferences: []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "OLMoEDeployment", Name: "demo", UID: "gone", Controller: new(true),
	}}}}
	old.Spec.Model, old.Spec.Replicas = d.Spec.Model, new(int32(2))
	if err := w.Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	w.startOperator(ownImage)
	w.until(func() string { return w.not(v1alpha1.ConditionReconciling, "True", v1alpha1.ReasonProgressing) })
	w.remove(&v1alpha1.ExpertPool{}, "demo") // the garbage collector
	w.until(func() string {
		if p := (&v1alpha1.ExpertPool{}); w.Get(t.Context(), client.ObjectKeyFromObject(old), p) != nil || p.UID == old.UID {
			return "no new pool"
		}
		return ""
	})
	if a, b := w.pool().Spec.Image, w.deployment().Status.Image; a != kept || b != kept {
		t.Errorf("the pods run %q, the status says %q: want %q", a, b, kept)
	}
}

// TestTerminatingNamespace: that nothing is made in a namespace that is being deleted is no
// fault of the spec.
func TestTerminatingNamespace(t *testing.T) {
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	if err := w.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}); err != nil {
		t.Fatal(err)
	}
	w.remove(&appsv1.StatefulSet{}, "demo-experts")
	for round := range int64(3) { // of which the first ones have written what they say
		w.patch(&corev1.Pod{}, "demo-experts-0", fmt.Sprintf("metadata: {annotations: {look: again%d}}", round))
		w.watch(patience, func() string {
			if w.refusedSets.Load() <= round {
				return "the operator has not tried to make the StatefulSet again"
			}
			return ""
		})
	}
	if c := conditions.Of(w.deployment().Status.Conditions, v1alpha1.ConditionStalled); c.Status == metav1.ConditionTrue {
		t.Errorf("Stalled: %s", c.Message)
	}
	if c := conditions.Of(w.pool().Status.Conditions, v1alpha1.ConditionStalled); c.Status == metav1.ConditionTrue {
		t.Errorf("the pool is Stalled: %s", c.Message)
	}
}
