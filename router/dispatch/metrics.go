package dispatch

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// metrics are the olmoe_dispatch_* series. None has a label per node or expert:
// their number is fixed.
type metrics struct {
	roundTrip prometheus.Histogram
	remote    *prometheus.CounterVec // seconds on nodes: queued, computing
	queued    prometheus.Counter
	computing prometheus.Counter
	retries   *prometheus.CounterVec
	streams   *prometheus.CounterVec
	lost      prometheus.Counter
	damaged   prometheus.Counter
	late      prometheus.Counter
	hedgeWon  prometheus.Counter
	hedgeLost prometheus.Counter
	waits     prometheus.Histogram
	calls     atomic.Int64 // Do calls under way
	waiting   atomic.Int64 // of them, with pairs that have no owner
}

// roundTripBuckets run from a loopback round trip of one row to a prefill on slow nodes.
var roundTripBuckets = prometheus.ExponentialBuckets(50e-6, 2, 18)

func newMetrics(d *Dispatcher) *metrics {
	m := &metrics{
		roundTrip: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "olmoe_dispatch_round_trip_seconds",
			Help: "Time from sending a request to an expert node to reading its answer.", Buckets: roundTripBuckets}),
		remote: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "olmoe_dispatch_remote_seconds_total",
			Help: "Part of the round trips that requests spent on expert nodes, by what they did there."}, []string{"doing"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "olmoe_dispatch_retries_total",
			Help: "Requests whose rows were sent again, by reason."}, []string{"reason"}),
		streams: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "olmoe_dispatch_stream_errors_total",
			Help: "Streams to expert nodes that broke: lost connections and damaged frames."}, []string{"reason"}),
		late: prometheus.NewCounter(prometheus.CounterOpts{Name: "olmoe_dispatch_late_responses_total",
			Help: "Answers that came after their call had gone on without them."}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "olmoe_dispatch_wait_seconds",
			Help: "Time that calls waited for experts without a ready owner.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 18)}),
	}
	hedged := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "olmoe_dispatch_hedges_total",
		Help: "Late requests that were sent to another owner as well, by whose answer came first: the other's (won) or the late one's (lost)."}, []string{"outcome"})
	m.hedgeWon, m.hedgeLost = hedged.WithLabelValues("won"), hedged.WithLabelValues("lost")
	// All there from the start: a rate sees no rise of a series that begins with it.
	m.lost, m.damaged = m.streams.WithLabelValues("Connection"), m.streams.WithLabelValues("BadFrame")
	m.queued, m.computing = m.remote.WithLabelValues("queued"), m.remote.WithLabelValues("computing")
	if d.opts.Metrics != nil {
		d.opts.Metrics.MustRegister(m.roundTrip, m.remote, m.retries, m.streams, m.late, m.waits, hedged)
		d.opts.Metrics.MustRegister(m.gauges(d)...)
	}
	return m
}

func (m *metrics) gauges(d *Dispatcher) []prometheus.Collector {
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	return []prometheus.Collector{
		gauge("olmoe_dispatch_calls", "Calls under way.", func() float64 { return float64(m.calls.Load()) }),
		gauge("olmoe_dispatch_waiting_calls", "Calls that wait for an expert without a ready owner.", func() float64 { return float64(m.waiting.Load()) }),
		gauge("olmoe_dispatch_in_flight_pairs", "(row, expert) pairs sent to expert nodes and not answered.", func() float64 {
			n := int64(0)
			for _, s := range d.Status().Nodes {
				n += s.InFlight
			}
			return float64(n)
		}),
		gauge("olmoe_dispatch_experts_covered", "(layer, expert) pairs with a ready owner.", func() float64 { return float64(d.Status().Covered) }),
		gauge("olmoe_dispatch_serving_epoch", "Placement epoch in use.", func() float64 { return float64(d.Status().ServingEpoch) }),
		gauge("olmoe_dispatch_nodes_ready", "Expert nodes connected and not shutting down.", func() float64 {
			n := 0
			for _, s := range d.Status().Nodes {
				if s.Ready {
					n++
				}
			}
			return float64(n)
		}),
	}
}

func (m *metrics) answered(roundTrip time.Duration, t wire.Timing) {
	m.roundTrip.Observe(roundTrip.Seconds())
	m.queued.Add(t.Queued.Seconds())
	m.computing.Add(t.Compute.Seconds())
}

func (m *metrics) waited(t time.Duration) {
	m.waiting.Add(-1)
	m.waits.Observe(t.Seconds())
}

// retry counts by reason: an error frame's code, or what happened on this side.
func (m *metrics) retry(why error) {
	reason := "Stream"
	var f *wire.Failure
	switch {
	case errors.As(why, &f):
		reason = f.Code.Label()
	case errors.Is(why, errTimeout):
		reason = "Timeout"
	case errors.Is(why, errLaneFull):
		reason = "LaneFull"
	}
	m.retries.WithLabelValues(reason).Inc()
}

func (m *metrics) streamError(err error) {
	var bad *wire.FrameError
	if errors.As(err, &bad) {
		m.damaged.Inc()
	} else {
		m.lost.Inc()
	}
}
