package controllers_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// TestAClockThatWasAhead: the budget that an operator with a wrong clock has spent next year
// comes back after a minute, by the status and by the record.
func TestAClockThatWasAhead(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorldAt(t, fastClock{time.Now(), 10})
	w.create("demo", model+"expertNodes: 2\nexperts: {rebalancing: {windowSeconds: 4, maxBytesPerMinute: 100Mi}}")
	w.untilReady()
	ahead := time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	w.patch(&corev1.ConfigMap{}, "demo-placement", "metadata: {annotations: {serving.olmoe.dev/rebalanced: '"+ahead.Format(time.RFC3339)+" 1 1'}}")
	p := w.pool()
	was := p.DeepCopy()
	p.Status.Rebalancing = &v1alpha1.RebalancingStatus{Experts: 1, Bytes: 1}
	p.Status.Rebalancing.Time.Time = ahead
	if err := w.Status().Patch(t.Context(), p, client.MergeFrom(was)); err != nil {
		t.Fatal(err)
	}
	w.setLoads(busy(0.5, hotFirst(w.document().Serving)), busy(0.1, none))
	w.until(func() string {
		if s := w.pool().Status.Rebalancing; s.Experts == 1 {
			return "nothing has moved since " + s.Time.String()
		}
		return ""
	})
}
