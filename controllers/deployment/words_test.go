package deployment

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clock "k8s.io/utils/clock/testing"

	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
)

// unready is a router pod that runs and has not been ready for so long.
func unready(name, ip string, since time.Time) corev1.Pod {
	p := routerPod(false)
	p.Name, p.Status.PodIP = name, ip
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(since)})
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return p
}

// TestRouterWords: why a router is not ready is told in its own words, once it has lasted, on
// one line of a bounded length, which changes only when the reason does.
func TestRouterWords(t *testing.T) {
	now := time.Unix(1e6, 0)
	const why = "512 of 1024 experts have a ready owner; expert node demo-experts-1: "
	cases := []struct {
		name, says string
		edit       func(*view)
		want       string
	}{
		{"it says why", why + "refused", func(*view) {}, "1 of 2 routers are ready; router r says: " + why + "refused"},
		{"the port of a try", why + "read tcp 10.0.0.9:43434->10.0.0.2:7070: reset", func(*view) {}, why + "read tcp 10.0.0.2:7070: reset"},
		{"and of another family", why + "read tcp [fd00::9]:43434->[fd00::2]:7070: reset", func(*view) {}, why + "read tcp [fd00::2]:7070: reset"},
		{"too much", strings.Repeat("x", 1000) + "\nmore", func(*view) {}, "r says: " + strings.Repeat("x", 512) + "..."},
		{"two lines", "first\nsecond", func(*view) {}, "r says: first"},
		{"nothing", "", func(*view) {}, "1 of 2 routers are ready"},
		{"it starts", "loading", func(v *view) { v.pods[1] = unready("r", "10.0.0.1", now.Add(-29*time.Second)) }, "1 of 2 routers are ready"},
		{"it leaves", "draining", func(v *view) { v.pods[1].DeletionTimestamp = &metav1.Time{Time: now} }, "1 of 2 routers are ready"},
		{"it has no address yet", "?", func(v *view) { v.pods[1].Status.PodIP = "" }, "1 of 2 routers are ready"},
		{"it does not run", "?", func(v *view) { v.pods[1].Status.ContainerStatuses = nil }, "1 of 2 routers are ready"},
		{"it does not answer", "?", func(v *view) { v.pods[1].Status.PodIP = "10.0.0.7" }, "1 of 2 routers are ready"},
		{"the pool waits for it", why + "refused", func(v *view) {
			conditions.Set(&v.pool.Status.Conditions, 3, now, conditions.Verdict{Available: true, Reason: "Progressing", Message: "waiting for router r"})
		}, "expert pool: waiting for router r; router r says: " + why + "refused"},
		{"experts are loading", why + "connecting", func(v *view) {
			conditions.Set(&v.pool.Status.Conditions, 3, now, conditions.Verdict{Reason: "Progressing", Message: "waiting for demo-experts-1"})
		}, "expert pool: waiting for demo-experts-1"},
	}
	for _, c := range cases {
		f := fleettest.New()
		v := servingView()
		v.pods[1] = unready("r", "10.0.0.1", now.Add(-time.Minute))
		f.Start(podspec.ControlAddress(&v.pods[1]), fleettest.Pod{Router: true, Says: c.says})
		c.edit(v)
		v.words = (&Reconciler{Fleet: f, Clock: clock.NewFakePassiveClock(now)}).askRouters(t.Context(), v)
		if got := v.verdict().Message; !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %q, want ...%q", c.name, got, c.want)
		}
	}
}
