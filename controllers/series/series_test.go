package series

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
)

// The series of an object that is gone go, and no others.
func TestForget(t *testing.T) {
	var m Metrics
	g, c := m.Gauge("test_series_gauge", "A gauge."), m.Counter("test_series_total", "A counter.")
	for _, name := range []string{"gone", "stays"} {
		g.WithLabelValues("ns", name).Set(1)
		c.WithLabelValues("ns", name).Inc()
	}
	m.Forget(ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ns", Name: "gone"}})
	if testutil.CollectAndCount(g) != 1 || testutil.CollectAndCount(c) != 1 || testutil.ToFloat64(g.WithLabelValues("ns", "stays")) != 1 {
		t.Errorf("%d and %d series left, want 1 and 1", testutil.CollectAndCount(g), testutil.CollectAndCount(c))
	}
}
