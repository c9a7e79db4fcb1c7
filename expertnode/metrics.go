package expertnode

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// metrics counts on the serving path with plain atomics; what Prometheus reads is
// summed when it asks. The number of series does not grow with experts.
type metrics struct {
	n         *node
	rows      []atomic.Uint64 // [layer*perLayer+expert]: rows computed by the expert
	tokens    []atomic.Uint64 // [layer]: rows received
	active    []atomic.Uint64 // [layer]: experts that had rows, added up over batches
	busy      atomic.Int64    // nanoseconds in batches
	queued    atomic.Int64    // nanoseconds of requests, waiting
	batches   atomic.Uint64
	frames    atomic.Uint64 // received
	badFrames prometheus.Counter
	errors    *prometheus.CounterVec // answers that are Error frames
}

func newMetrics(n *node) *metrics {
	cfg := n.ck.Config()
	m := &metrics{n: n, rows: make([]atomic.Uint64, cfg.NumLayers*cfg.NumExperts), tokens: make([]atomic.Uint64, cfg.NumLayers),
		active: make([]atomic.Uint64, cfg.NumLayers),
		badFrames: prometheus.NewCounter(prometheus.CounterOpts{Name: "olmoe_expert_bad_frames_total",
			Help: "Frames that arrived damaged or malformed; each ended its stream."}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "olmoe_expert_errors_total",
			Help: "Requests answered with an error, by code."}, []string{"code"})}
	podctl.RegisterInfo(n.registry, "expert-node")
	n.registry.MustRegister(m, m.badFrames, m.errors, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// expert counts the rows of a batch for one expert; there is at least one.
func (m *metrics) expert(i, rows int) {
	m.rows[i].Add(uint64(rows))
	m.active[i/(len(m.rows)/len(m.tokens))].Add(1)
}

func (m *metrics) request(j *job, t wire.Timing) {
	m.tokens[j.in.Layer].Add(uint64(j.in.Rows))
	m.queued.Add(int64(t.Queued))
}

func (m *metrics) batch(took time.Duration) {
	m.busy.Add(int64(took))
	m.batches.Add(1)
}

var (
	tokensDesc  = prometheus.NewDesc("olmoe_expert_tokens_total", "Token rows received and computed, by layer.", []string{"layer"}, nil)
	rowsDesc    = prometheus.NewDesc("olmoe_expert_rows_total", "Rows computed, one for each expert of a token, by layer.", []string{"layer"}, nil)
	activeDesc  = prometheus.NewDesc("olmoe_expert_activations_total", "Experts that had rows, added up over batches, by layer: each reads its weights once.", []string{"layer"}, nil)
	busyDesc    = prometheus.NewDesc("olmoe_expert_busy_seconds_total", "Time spent computing.", nil, nil)
	queuedDesc  = prometheus.NewDesc("olmoe_expert_queue_seconds_total", "Time that requests waited before their computation began.", nil, nil)
	batchesDesc = prometheus.NewDesc("olmoe_expert_batches_total", "Batches computed; each takes all requests that wait.", nil, nil)
	framesDesc  = prometheus.NewDesc("olmoe_expert_frames_total", "Frames received from routers.", nil, nil)
	heldDesc    = prometheus.NewDesc("olmoe_expert_held", "(layer, expert) pairs in memory.", nil, nil)
	wantedDesc  = prometheus.NewDesc("olmoe_expert_wanted", "(layer, expert) pairs that the placement assigns to this node.", nil, nil)
	bytesDesc   = prometheus.NewDesc("olmoe_expert_held_bytes", "Bytes of the weights in memory.", nil, nil)
	loadedDesc  = prometheus.NewDesc("olmoe_expert_loaded_bytes_total", "Bytes of weights read since the start.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	perLayer := len(m.rows) / len(m.tokens)
	for l := range m.tokens {
		sum := uint64(0)
		for i := range perLayer {
			sum += m.rows[l*perLayer+i].Load()
		}
		layer := strconv.Itoa(l)
		counter(tokensDesc, float64(m.tokens[l].Load()), layer)
		counter(rowsDesc, float64(sum), layer)
		counter(activeDesc, float64(m.active[l].Load()), layer)
	}
	counter(busyDesc, time.Duration(m.busy.Load()).Seconds())
	counter(queuedDesc, time.Duration(m.queued.Load()).Seconds())
	counter(batchesDesc, float64(m.batches.Load()))
	counter(framesDesc, float64(m.frames.Load()))
	held := m.n.holder.now.Load()
	gauge(heldDesc, float64(held.set.Count()))
	gauge(wantedDesc, float64(len(m.n.holder.want.Load().order)))
	gauge(bytesDesc, float64(held.bytes))
	counter(loadedDesc, float64(m.n.holder.read.Load()))
}
