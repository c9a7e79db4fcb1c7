package pool

import (
	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// One series for each pool: bounded by the number of pools.
var (
	poolLabels    = []string{"namespace", "pool"}
	coveredGauge  = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_experts_covered", Help: "Experts of all layers that have a ready owner."}, poolLabels)
	expertsGauge  = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_experts", Help: "Experts of all layers."}, poolLabels)
	nodesGauge    = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_ready_nodes", Help: "Expert nodes that are ready."}, poolLabels)
	wantedGauge   = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_wanted_nodes", Help: "Expert nodes that the spec wants."}, poolLabels)
	revisionGauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_placement_revision", Help: "Revision of the published placement document."}, poolLabels)
	allGauges     = []*prometheus.GaugeVec{coveredGauge, expertsGauge, nodesGauge, wantedGauge, revisionGauge}
)

func init() {
	for _, g := range allGauges {
		metrics.Registry.MustRegister(g)
	}
}

// measure shows the round's result.
func (v *view) measure(req ctrl.Request) {
	covered, total := v.covered()
	var revision int64
	if v.decision.Doc != nil {
		revision = v.decision.Doc.Revision
	}
	for g, n := range map[*prometheus.GaugeVec]float64{
		coveredGauge: float64(covered), expertsGauge: float64(total), nodesGauge: float64(v.ready()),
		wantedGauge: float64(*v.pool.Spec.Replicas), revisionGauge: float64(revision),
	} {
		g.WithLabelValues(req.Namespace, req.Name).Set(n)
	}
}

// forget drops the series of a pool that is gone.
func forget(req ctrl.Request) {
	for _, g := range allGauges {
		g.DeleteLabelValues(req.Namespace, req.Name)
	}
}
