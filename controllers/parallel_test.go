package controllers_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestDeploymentsDoNotWaitForOthers: a change of a deployment is made as soon beside many
// whose routers wait for volumes while the API server does not tell their events.
func TestDeploymentsDoNotWaitForOthers(t *testing.T) {
	w := newWorld(t)
	const others = 8
	for i := range others {
		w.players.broken[fmt.Sprintf("other%d-router*", i)] = waiting("ContainerCreating", "")
	}
	w.create("demo", model+"expertNodes: 1")
	w.untilReady()
	w.hungEvents.Store(true)
	for i := range others {
		w.create(fmt.Sprintf("other%d", i), model+"expertNodes: 1")
	}
	w.until(func() string {
		var routers corev1.PodList
		if err := w.List(t.Context(), &routers, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/component": "router"}); err != nil {
			t.Fatal(err)
		}
		starting := 0
		for i := range routers.Items {
			if routers.Items[i].Status.Phase == corev1.PodPending && len(routers.Items[i].Status.ContainerStatuses) > 0 {
				starting++
			}
		}
		if starting < others {
			return fmt.Sprintf("%d routers are starting", starting)
		}
		return ""
	})
	begun := time.Now()
	w.setRouters("{replicas: 2}")
	w.watch(patience, func() string {
		if n := *w.routers().Spec.Replicas; n != 2 {
			return fmt.Sprintf("%d routers are wanted", n)
		}
		return ""
	})
	took := time.Since(begun)
	t.Logf("beside %d others it took %s", others, took.Round(time.Millisecond))
	if took > 5*time.Second { // 15 to 20 s if they wait for each other, else some tenths
		t.Error("the change waited for the others")
	}
}
