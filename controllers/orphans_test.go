package controllers_test

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// TestOrphansAreAdopted: what a deployment leaves that was deleted without its children
// is taken by one of its name, pods and all, where the API server lets the operator take it.
func TestOrphansAreAdopted(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.mayTake()
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	doc, pool := w.document(), w.pool()
	w.orphan()
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	w.checkOwners()
	if w.pool().UID != pool.UID || mustJSON(w.document()) != mustJSON(doc) {
		t.Error("the pool was made anew, or its placement changed")
	}
}

// TestOrphansThatCannotBeTaken: what the message says to do where the API server gives a new
// owner only to what the operator may delete leads to a deployment that is Ready.
func TestOrphansThatCannotBeTaken(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t)
	w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	routers := w.routerPods()
	w.orphan()
	w.create("demo", model+"expertNodes: 2")
	if m := w.untilReason(v1alpha1.ReasonChildRefused); !strings.HasSuffix(m, "delete it with --cascade=orphan, so that pods serve on: the operator makes it anew") {
		t.Errorf("the message does not say what to do: %s", m)
	}
	for _, c := range children() {
		w.remove(c.object, c.name)
	}
	w.until(func() string {
		return w.not(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAsWanted) + w.gone("demo-placement")
	})
	w.checkOwners()
	if now := w.routerPods(); len(now) != 1 || now[0].UID != routers[0].UID {
		t.Errorf("%d routers: they did not serve on", len(now))
	}
}

// orphan deletes the deployment without its children, as the garbage collector does.
func (w *world) orphan() {
	w.Helper()
	if err := w.Delete(w.Context(), w.deployment(), client.PropagationPolicy(metav1.DeletePropagationOrphan)); err != nil {
		w.Fatal(err)
	}
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "metadata: {finalizers: null}")
	for _, c := range children() {
		if !c.ofPool {
			w.patch(c.object, c.name, "metadata: {ownerReferences: null}")
		}
	}
}

// mayTake gives the operator, in the test's namespace, the right that an API server without
// the admission plugin does not ask for.
func (w *world) mayTake() {
	w.Helper()
	meta := metav1.ObjectMeta{Name: "take", Namespace: w.ns}
	all := []string{"*"}
	for _, o := range []client.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: all, Resources: all, Verbs: []string{"delete"}}}},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operatorUser}},
		},
	} {
		if err := w.Create(w.Context(), o); err != nil {
			w.Fatal(err)
		}
	}
}
