package deployment

import (
	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/series"
)

var (
	ofDeployments series.Metrics

	readyGauge     = ofDeployments.Gauge("olmoe_deployment_ready", "1 while the condition Ready of the OLMoEDeployment is true: all is as wanted.")
	stalledGauge   = ofDeployments.Gauge("olmoe_deployment_stalled", "1 while its condition Stalled is true: nothing changes until somebody acts.")
	availableGauge = ofDeployments.Gauge("olmoe_deployment_available", "1 while its condition Available is true: requests are served.")
)

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
