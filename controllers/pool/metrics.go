package pool

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/olmoe-serving/olmoe-operator/controllers/series"
)

var (
	ofPools series.Metrics

	coveredGauge  = ofPools.Gauge("olmoe_pool_experts_covered", "Experts of all layers that have a ready owner.")
	expertsGauge  = ofPools.Gauge("olmoe_pool_experts", "Experts of all layers.")
	nodesGauge    = ofPools.Gauge("olmoe_pool_ready_nodes", "Expert nodes that are ready.")
	wantedGauge   = ofPools.Gauge("olmoe_pool_wanted_nodes", "Expert nodes that the spec wants.")
	revisionGauge = ofPools.Gauge("olmoe_pool_placement_revision", "Revision of the published placement document.")
	balanceGauge  = ofPools.Gauge("olmoe_pool_balancedness",
		"Mean node load / busiest node's load in the worst layer, in tokens of the last window; 1 is perfect.")
	busiestGauge = ofPools.Gauge("olmoe_pool_busiest_utilization", "Part of the last window in which the busiest expert node computed, 0 to 1.")
	queueGauge   = ofPools.Gauge("olmoe_pool_busiest_queue_seconds", "How long requests waited at that node on average in the last window.")
	readingGauge = ofPools.Gauge("olmoe_pool_reading_ratio",
		"Part of the expert nodes' work of the last window that was reading weights (activated experts count), 0 to 1; the rest is arithmetic (tokens count).")
	okGauge      = ofPools.Gauge("olmoe_pool_balancer_ok", "0 while the balancer cannot do its work: see the pool's condition Balanced.")
	crowdedGauge = ofPools.Gauge("olmoe_pool_experts_sharing_machine",
		"Experts of all layers whose copies run on fewer machines than they should: as many as replicasPerExpert, or as there are. With two replicas, those that the loss of one machine takes both copies of.")

	rebalanceCounter = ofPools.Counter("olmoe_pool_rebalances_total", "Placements made because of load.")
	bytesCounter     = ofPools.Counter("olmoe_pool_rebalanced_bytes_total", "Bytes of weights that expert nodes loaded because of load.")
)

// measure shows the round's result.
func (v *view) measure(req ctrl.Request) {
	owned, total := covered(v.decision.Doc, v.pods)
	var revision int64
	if v.decision.Doc != nil {
		revision = v.decision.Doc.Revision
	}
	for g, n := range map[*prometheus.GaugeVec]float64{
		coveredGauge: float64(owned), expertsGauge: float64(total), nodesGauge: float64(v.pods.ready()),
		crowdedGauge: float64(crowded(current(v.decision.Doc), v.wanted, v.pods.machines())), wantedGauge: float64(v.wanted.nodes()), revisionGauge: float64(revision),
	} {
		g.WithLabelValues(req.Namespace, req.Name).Set(n)
	}
	v.measureLoad(req)
}

// measureLoad shows what the last look at the load found. Figures that are not known are
// not shown: an autoscaler must not take an old one for a new one.
func (v *view) measureLoad(req ctrl.Request) {
	labels := []string{req.Namespace, req.Name}
	ok := 1.0
	if slices.Contains(troubled, v.balanced.reason) {
		ok = 0
	}
	okGauge.WithLabelValues(labels...).Set(ok)
	for _, c := range []*prometheus.CounterVec{rebalanceCounter, bytesCounter} {
		c.WithLabelValues(labels...) // 0 before the first: a rate sees no rise of a series that begins with it
	}
	if v.decision.Balance != nil && v.decision.Doc != v.record.doc {
		rebalanceCounter.WithLabelValues(labels...).Inc()
		bytesCounter.WithLabelValues(labels...).Add(float64(v.kept.moved.Bytes))
	}
	if !v.wanted.measures() || !v.memory.looks.known(v.wanted.lookInterval(), v.now) || v.memory.looks.report.Summary.Busiest == nil {
		for _, g := range []*prometheus.GaugeVec{balanceGauge, busiestGauge, queueGauge, readingGauge} {
			g.DeleteLabelValues(labels...)
		}
		return
	}
	sum := &v.memory.looks.report.Summary
	balanceGauge.WithLabelValues(labels...).Set(slices.Min(sum.Balancedness))
	readingGauge.WithLabelValues(labels...).Set(v.memory.looks.work.Reading(v.memory.looks.report.Nodes))
	busiestGauge.WithLabelValues(labels...).Set(sum.Busiest.Utilization)
	queueGauge.WithLabelValues(labels...).Set(sum.Busiest.MeanQueueSeconds)
}
