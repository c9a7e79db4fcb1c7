package controllers_test

import (
	"fmt"
	"maps"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// exported are the operator's metrics of the world's deployment "demo".
func (w *world) exported(names ...string) map[string]float64 {
	w.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			of := map[string]string{}
			for _, l := range m.GetLabel() {
				of[l.GetName()] = l.GetValue()
			}
			for _, name := range names {
				if f.GetName() == name && maps.Equal(of, map[string]string{"namespace": w.ns, "pool": "demo"}) {
					out[name] = m.GetGauge().GetValue()
				}
			}
		}
	}
	return out
}

// TestMetricsOfConditions: an alert can go by what the conditions say, and a deleted
// deployment raises none.
func TestMetricsOfConditions(t *testing.T) {
	const ready, stalled, available = "olmoe_deployment_ready", "olmoe_deployment_stalled", "olmoe_deployment_available"
	w := newWorld(t)
	until := func(want map[string]float64) {
		w.until(func() string {
			if got := w.exported(ready, stalled, available); !maps.Equal(got, want) {
				return fmt.Sprintf("metrics are %v, want %v", got, want)
			}
			return ""
		})
	}
	d := w.create("demo", model+"expertNodes: 2")
	w.untilReady()
	until(map[string]float64{ready: 1, stalled: 0, available: 1})
	w.patch(&v1alpha1.OLMoEDeployment{}, "demo", "spec: {experts: {affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: ''}]}}}}")
	until(map[string]float64{ready: 0, stalled: 1, available: 1})
	if err := w.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	until(map[string]float64{})
}
