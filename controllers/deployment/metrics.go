package deployment

import (
	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
)

// One series of each for an OLMoEDeployment. It is called as its pool is, in the
// series of both.
var (
	readyGauge     = gauge("olmoe_deployment_ready", "1 while the condition Ready of the OLMoEDeployment is true: all is as wanted.")
	stalledGauge   = gauge("olmoe_deployment_stalled", "1 while its condition Stalled is true: nothing changes until somebody acts.")
	availableGauge = gauge("olmoe_deployment_available", "1 while its condition Available is true: requests are served.")

	allGauges []*prometheus.GaugeVec
)

func gauge(name, help string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"namespace", "pool"})
	metrics.Registry.MustRegister(g)
	allGauges = append(allGauges, g)
	return g
}

// measure shows what the conditions say.
func measure(req ctrl.Request, v conditions.Verdict) {
	for g, is := range map[*prometheus.GaugeVec]bool{readyGauge: v.Ready, stalledGauge: v.Stalled, availableGauge: v.Available} {
		n := 0.0
		if is {
			n = 1
		}
		g.WithLabelValues(req.Namespace, req.Name).Set(n)
	}
}

// forget drops the series of an OLMoEDeployment that is gone.
func forget(req ctrl.Request) {
	for _, g := range allGauges {
		g.DeleteLabelValues(req.Namespace, req.Name)
	}
}
