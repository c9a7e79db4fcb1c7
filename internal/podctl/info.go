package podctl

import (
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/version"
)

// Portable is what to say where the portable kernels compute, "" elsewhere. (arm64
// has no others.)
func Portable() string {
	if kernels.Name() != "portable" {
		return ""
	}
	return "this CPU has no AVX2 with FMA: the portable kernels compute the same bits, several times slower"
}

// RegisterInfo adds the metric that says what runs here: a pool may mix program
// versions in a rolling restart, and kinds of CPU for good. It logs, once, that the
// kernels are the slow ones.
func RegisterInfo(reg prometheus.Registerer, role string, log logr.Logger) {
	if slow := Portable(); slow != "" {
		log.Info(slow)
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "olmoe_pod_info",
		Help:        "Always 1; the labels tell the pod's role, its version and the kernels its CPU can run.",
		ConstLabels: prometheus.Labels{"role": role, "version": version.String(), "kernels": kernels.Name()},
	})
	g.Set(1)
	reg.MustRegister(g)
}
