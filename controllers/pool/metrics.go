package pool

import (
	"slices"

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
	balanceGauge  = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_balancedness", Help: "Mean node load / busiest node's load in the worst layer, in tokens of the last window; 1 is perfect."}, poolLabels)
	busiestGauge  = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_busiest_utilization", Help: "Part of the last window in which the busiest expert node computed, 0 to 1."}, poolLabels)
	queueGauge    = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_busiest_queue_seconds", Help: "How long requests waited at that node on average in the last window."}, poolLabels)
	readingGauge  = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_reading_ratio", Help: "Part of the expert nodes' work of the last window that was reading weights (activated experts count), 0 to 1; the rest is arithmetic (tokens count)."}, poolLabels)
	okGauge       = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_balancer_ok", Help: "0 while the balancer cannot do its work: see the pool's condition Balanced."}, poolLabels)
	crowdedGauge  = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "olmoe_pool_experts_sharing_machine", Help: "Experts of all layers whose copies run on fewer machines than they should: as many as replicasPerExpert, or as there are. With two replicas, those that the loss of one machine takes both copies of."}, poolLabels)
	allGauges     = []*prometheus.GaugeVec{coveredGauge, expertsGauge, crowdedGauge, nodesGauge, wantedGauge, revisionGauge, balanceGauge, busiestGauge, queueGauge, readingGauge, okGauge}

	rebalanceCounter = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "olmoe_pool_rebalances_total", Help: "Placements made because of load."}, poolLabels)
	bytesCounter     = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "olmoe_pool_rebalanced_bytes_total", Help: "Bytes of weights that expert nodes loaded because of load."}, poolLabels)
	allCounters      = []*prometheus.CounterVec{rebalanceCounter, bytesCounter}
)

func init() {
	for _, g := range allGauges {
		metrics.Registry.MustRegister(g)
	}
	for _, c := range allCounters {
		metrics.Registry.MustRegister(c)
	}
}

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
	if slices.Contains(troubled, v.opinion.reason) {
		ok = 0
	}
	okGauge.WithLabelValues(labels...).Set(ok)
	for _, c := range allCounters {
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
	busiestGauge.WithLabelValues(labels...).Set(sum.Busiest.Utilisation)
	queueGauge.WithLabelValues(labels...).Set(sum.Busiest.MeanQueueSeconds)
}

// forget drops the series of a pool that is gone.
func forget(req ctrl.Request) {
	for _, g := range allGauges {
		g.DeleteLabelValues(req.Namespace, req.Name)
	}
	for _, c := range allCounters {
		c.DeleteLabelValues(req.Namespace, req.Name)
	}
}
