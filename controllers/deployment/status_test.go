package deployment

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
)

// servingView is of a round that finds all as the spec wants it: two routers.
func servingView() *view {
	v := testView()
	v.pool.Generation, v.pool.Status.ObservedGeneration = 3, 3
	conditions.Set(&v.pool.Status.Conditions, 3, time.Unix(0, 0), conditions.Verdict{Ready: true, Available: true, Reason: "AsWanted"})
	v.routers.Name, v.routers.UID, v.routers.Generation = "demo-router", "r", 5
	v.routers.Status = appsv1.DeploymentStatus{ObservedGeneration: 5, UpdatedReplicas: 2, Replicas: 2}
	v.pods = []corev1.Pod{routerPod(true), routerPod(true)}
	return v
}

func routerPod(ready bool) corev1.Pod {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}}}
}

// TestVerdict: the worst is told first, and nothing but what is as wanted is ready.
func TestVerdict(t *testing.T) {
	pool := func(v *view, verdict conditions.Verdict) {
		conditions.Set(&v.pool.Status.Conditions, 3, time.Unix(0, 0), verdict)
	}
	stalledPool := conditions.Verdict{Stalled: true, Available: true, Reason: "CrashLoop", Message: "pod p keeps failing"}
	cases := []struct {
		name             string
		edit             func(*view)
		reason, says     string
		available, stall bool
	}{
		{"as wanted", func(*view) {}, "AsWanted", "serving at http://demo-router.ns.svc", true, false},
		{"a child is refused", func(v *view) {
			v.refused = &diagnose.Problem{Reason: "ChildRefused", Message: "the API server refuses Service demo"}
			v.wrote = true
		}, "ChildRefused", "refuses Service demo", true, true},
		{"a child of before is leaving", func(v *view) {
			v.refused = &diagnose.Problem{Reason: "Progressing", Message: "still there", Passing: true}
			pool(v, stalledPool)
		}, "Progressing", "still there", true, false},
		{"a child was written", func(v *view) { v.wrote = true; pool(v, stalledPool) }, "Progressing", "waiting for the expert pool", true, false},
		{"the pool has not looked", func(v *view) { v.pool.Generation = 4; pool(v, stalledPool) }, "Progressing", "waiting for the expert pool", true, false},
		{"the Deployment has not looked", func(v *view) { v.routers.Generation = 6; pool(v, stalledPool) }, "Progressing", "demo-router to be looked at", true, false},
		{"the Deployment is not there", func(v *view) { v.routers.UID = "" }, "Progressing", "demo-router to be looked at", true, false},
		{"the pool is stalled", func(v *view) { pool(v, stalledPool); v.problem = &diagnose.Problem{Reason: "ImagePullFailed"} }, "CrashLoop", "pod p keeps failing", true, true},
		{"a router has a problem", func(v *view) {
			pool(v, conditions.Verdict{Available: true, Reason: "Loading"})
			v.problem = &diagnose.Problem{Reason: "ImagePullFailed", Message: "cannot pull"}
		}, "ImagePullFailed", "cannot pull", true, true},
		{"a problem that may pass", func(v *view) {
			v.problem = &diagnose.Problem{Reason: "Unschedulable", Message: "0/1 nodes", Passing: true}
		}, "Unschedulable", "0/1 nodes", true, false},
		{"the pool is on the way", func(v *view) {
			pool(v, conditions.Verdict{Reason: "Loading", Message: "3 of 64"})
			v.pods = v.pods[:1]
		}, "Loading", "expert pool: 3 of 64", false, false},
		{"a router is not ready", func(v *view) { v.pods[0] = routerPod(false) }, "RoutersNotReady", "1 of 2 routers are ready", true, false},
		{"no router is ready", func(v *view) { v.pods = []corev1.Pod{routerPod(false), routerPod(false)} }, "RoutersNotReady", "0 of 2 routers are ready", false, false},
	}
	for _, c := range cases {
		v := servingView()
		c.edit(v)
		got := v.verdict()
		if got.Reason != c.reason || !strings.Contains(got.Message, c.says) || got.Ready != (c.reason == "AsWanted") {
			t.Errorf("%s: %+v, want %s: ...%s...", c.name, got, c.reason, c.says)
		}
		if got.Available != c.available || got.Stalled != c.stall {
			t.Errorf("%s: available %v, stalled %v, want %v and %v", c.name, got.Available, got.Stalled, c.available, c.stall)
		}
	}
}

// TestMissingRouters: a rollout is over when the newest spec's routers are ready and the
// others have left.
func TestMissingRouters(t *testing.T) {
	cases := []struct {
		name string
		edit func(*view)
		want string
	}{
		{"none", func(*view) {}, ""},
		{"the number is left to others, who took one away", func(v *view) { v.deployment.Spec.Routers.Replicas, v.routers.Spec.Replicas = nil, ptr(1) },
			"1 routers that are not wanted any more are leaving"},
		{"nobody has given a number", func(v *view) { v.deployment.Spec.Routers.Replicas = nil }, "1 routers that are not wanted any more are leaving"},
		{"scaled to zero", func(v *view) { v.deployment.Spec.Routers.Replicas, v.routers.Spec.Replicas = nil, ptr(0) },
			"the Deployment demo-router is scaled to 0 routers: nobody is answered until it is scaled up"},
		{"of the spec before", func(v *view) { v.routers.Status.UpdatedReplicas = 1; v.pods[0] = routerPod(false) }, "1 of 2 routers run the newest spec"},
		{"of the spec before, and paused", func(v *view) { v.routers.Status.UpdatedReplicas, v.routers.Spec.Paused = 0, true },
			"0 of 2 routers run the newest spec: somebody has paused the Deployment: kubectl rollout resume deployment/demo-router -n ns"},
		{"paused, and nothing to be done", func(v *view) { v.routers.Spec.Paused = true }, ""},
		{"not ready", func(v *view) { v.pods[1] = routerPod(false); v.routers.Status.Replicas = 3 }, "1 of 2 routers are ready"},
		{"leaving", func(v *view) { v.routers.Status.Replicas = 3 }, "1 routers that are not wanted any more are leaving"},
	}
	for _, c := range cases {
		v := servingView()
		c.edit(v)
		if got := v.missingRouters(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestFill: what a round does not know stays as it was told last.
func TestFill(t *testing.T) {
	v := servingView()
	v.deployment.Generation = 9
	v.pods[0] = routerPod(false)
	v.pool.Status.Model = &v1alpha1.ModelInfo{Fingerprint: "f"}
	v.pool.Status.Summary = v1alpha1.Summary{ExpertNodes: "3/3", Experts: "64/64", Balancedness: "0.9", Routers: "of nobody"}
	var s v1alpha1.OLMoEDeploymentStatus
	v.fill(&s)
	if s.ObservedGeneration != 9 || s.Image != "olmoe:v1" || s.Endpoint != "http://demo-router.ns.svc" || s.Model == nil {
		t.Errorf("status %+v", s)
	}
	if want := (v1alpha1.Summary{Routers: "1/2", ExpertNodes: "3/3", Experts: "64/64", Balancedness: "0.9"}); s.Summary != want {
		t.Errorf("summary %+v, want %+v", s.Summary, want)
	}
	v.image, v.pool.Status.Model = "", nil
	v.fill(&s)
	if s.Image != "olmoe:v1" || s.Model == nil {
		t.Errorf("image %q, model %v: forgotten in a round that does not know them", s.Image, s.Model)
	}
}

// TestDeploymentOf: router pods are the deployment's, and nothing else is.
func TestDeploymentOf(t *testing.T) {
	pod := func(labels map[string]string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", Labels: labels}}
	}
	const component, instance = "app.kubernetes.io/component", "app.kubernetes.io/instance"
	got := deploymentOf(t.Context(), pod(map[string]string{component: "router", instance: "demo"}))
	if len(got) != 1 || got[0].String() != "ns/demo" {
		t.Errorf("a router pod is of %v", got)
	}
	for _, labels := range []map[string]string{nil, {component: "router"}, {component: "expert-node", instance: "demo"}} {
		if got := deploymentOf(t.Context(), pod(labels)); got != nil {
			t.Errorf("%v: of %v, want nothing", labels, got)
		}
	}
}
