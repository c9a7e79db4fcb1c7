package podctl

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/version"
)

// RegisterInfo adds the metric that says what runs here: a pool may mix program
// versions in a rolling restart, and kinds of CPU for good.
func RegisterInfo(reg prometheus.Registerer, role string) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "olmoe_pod_info",
		Help:        "Always 1; the labels tell the pod's role, its version and the kernels its CPU can run.",
		ConstLabels: prometheus.Labels{"role": role, "version": version.String(), "kernels": kernels.Name()},
	})
	g.Set(1)
	reg.MustRegister(g)
}
