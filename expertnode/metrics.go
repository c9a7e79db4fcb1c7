package expertnode

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// metrics is what Prometheus reads; most of it is summed from the meter when it
// asks. The number of series does not grow with experts: those are on /debug/load.
type metrics struct {
	n         *node
	batches   atomic.Uint64
	frames    atomic.Uint64 // received
	badFrames prometheus.Counter
	errors    *prometheus.CounterVec // answers that are Error frames
}

func newMetrics(n *node) *metrics {
	m := &metrics{n: n,
		badFrames: prometheus.NewCounter(prometheus.CounterOpts{Name: "olmoe_expert_bad_frames_total",
			Help: "Frames that arrived damaged or malformed; each ended its stream."}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "olmoe_expert_errors_total",
			Help: "Requests answered with an error, by code."}, []string{"code"})}
	podctl.RegisterInfo(n.registry, "expert-node", n.opts.Log)
	n.registry.MustRegister(m, m.badFrames, m.errors, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

var (
	tokensDesc     = layerDesc("olmoe_expert_tokens_total", "Token rows received and computed, by layer.")
	rowsDesc       = layerDesc("olmoe_expert_rows_total", "Rows computed, one for each expert of a token, by layer.")
	activeDesc     = layerDesc("olmoe_expert_activations_total", "Experts that had rows, added up over batches, by layer: each reads its weights once.")
	layerBusyDesc  = layerDesc("olmoe_expert_layer_busy_seconds_total", "Time spent computing, by layer.")
	layerQueueDesc = layerDesc("olmoe_expert_layer_queue_seconds_total", "Time that requests waited for work of other routers before their computation began, by layer.")

	busyDesc     = desc("olmoe_expert_busy_seconds_total", "Time spent computing.")
	queuedDesc   = desc("olmoe_expert_queue_seconds_total", "Time that requests waited for work of other routers before their computation began.")
	requestsDesc = desc("olmoe_expert_requests_total", "Requests computed.")
	batchesDesc  = desc("olmoe_expert_batches_total", "Batches computed; each takes all requests that wait.")
	framesDesc   = desc("olmoe_expert_frames_total", "Frames received from routers.")
	waitingDesc  = desc("olmoe_expert_waiting_rows", "Token rows in the queue.")
	heldDesc     = desc("olmoe_expert_held", "(layer, expert) pairs in memory.")
	wantedDesc   = desc("olmoe_expert_wanted", "(layer, expert) pairs that the placement assigns to this node.")
	cacheDesc    = prometheus.NewDesc("olmoe_expert_weights_cache_total", "8-bit experts looked for in the cache (hit, miss, damaged) and written to it (kept).", []string{"outcome"}, nil)
	bytesDesc    = desc("olmoe_expert_held_bytes", "Bytes of the weights in memory.")
	loadedDesc   = desc("olmoe_expert_loaded_bytes_total", "Bytes of weights read since the start.")

	utilisationDesc = desc("olmoe_expert_utilization", "Part of the last minute that was spent computing, 0 to 1.")
	meanQueueDesc   = desc("olmoe_expert_queue_seconds_mean", "How long a request of the last minute waited on average for work of other routers.")
)

func desc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

func layerDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"layer"}, nil)
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	c := m.n.meter.Total()
	m.layers(ch, c)
	counter(busyDesc, c.Busy().Seconds())
	counter(queuedDesc, seconds(load.Total(c.RequestQueueNs)))
	counter(requestsDesc, float64(load.Total(c.Requests)))
	counter(batchesDesc, float64(m.batches.Load()))
	counter(framesDesc, float64(m.frames.Load()))
	counter(loadedDesc, float64(m.n.holder.bytesRead.Load()))
	for name, o := range weightcache.Outcomes {
		ch <- prometheus.MustNewConstMetric(cacheDesc, prometheus.CounterValue, float64(m.n.holder.cache.Count(o)), name)
	}
	held := m.n.holder.now.Load()
	gauge(heldDesc, float64(held.set.Count()))
	gauge(wantedDesc, float64(len(m.n.holder.want.Load().order)))
	gauge(bytesDesc, float64(held.bytes))
	window := m.n.window(load.DefaultWindow)
	gauge(waitingDesc, float64(window.WaitingRows))
	gauge(utilisationDesc, window.Utilisation())
	gauge(meanQueueDesc, window.MeanQueue().Seconds())
}

// layers sends the counters of each layer.
func (m *metrics) layers(ch chan<- prometheus.Metric, c *load.Counts) {
	for l := range c.Layers() {
		layer := strconv.Itoa(l)
		counter := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, layer)
		}
		counter(tokensDesc, float64(c.Tokens[l]))
		counter(rowsDesc, float64(load.Total(c.Rows[l])))
		counter(activeDesc, float64(load.Total(c.Activations[l])))
		counter(layerBusyDesc, seconds(load.Total(c.BusyNs[l])))
		counter(layerQueueDesc, seconds(c.RequestQueueNs[l]))
	}
}

// seconds of nanoseconds.
func seconds(ns uint64) float64 { return float64(ns) / 1e9 }
