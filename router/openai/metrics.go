package openai

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of the HTTP API, all named olmoe_http_*. Label values are bounded:
// paths are the routes, codes those that this package writes. They outlive a Server: one
// answers while the model loads, another one then.
type Metrics struct {
	requests     *prometheus.CounterVec
	inFlight     prometheus.Gauge
	streamErrors *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
	firstToken   prometheus.Histogram
	nextToken    prometheus.Histogram
	promptTokens prometheus.Counter
	answerTokens prometheus.Counter
}

// Buckets in seconds: from a cached prompt on a fast machine to a long one in a queue.
var (
	firstBuckets = prometheus.ExponentialBuckets(0.01, 2, 15)  // to 164 s
	nextBuckets  = prometheus.ExponentialBuckets(0.001, 2, 14) // to 8 s
	wholeBuckets = prometheus.ExponentialBuckets(0.01, 2, 18)  // to 22 min
)

// NewMetrics makes them; reg may be nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	name := func(n string) string { return prometheus.BuildFQName("olmoe", "http", n) }
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("requests_total"),
			Help: "HTTP requests by route and status code."}, []string{"path", "code"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: name("requests_in_flight"),
			Help: "HTTP requests being answered."}),
		streamErrors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("stream_errors_total"),
			Help: "Streams that began with status 200 and ended in an error event, by the status it stands for."}, []string{"code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name("request_seconds"),
			Help: "From the headers of a request to the end of its answer, whatever that is, by route.", Buckets: wholeBuckets}, []string{"path"}),
		firstToken: prometheus.NewHistogram(prometheus.HistogramOpts{Name: name("time_to_first_token_seconds"),
			Help: "From the request being queued to each sequence's first token.", Buckets: firstBuckets}),
		nextToken: prometheus.NewHistogram(prometheus.HistogramOpts{Name: name("inter_token_seconds"),
			Help: "Between two tokens of a sequence being drawn, however fast the client reads.", Buckets: nextBuckets}),
		promptTokens: prometheus.NewCounter(prometheus.CounterOpts{Name: name("prompt_tokens_total"),
			Help: "Prompt tokens of the requests that were queued."}),
		answerTokens: prometheus.NewCounter(prometheus.CounterOpts{Name: name("completion_tokens_total"),
			Help: "Tokens generated for clients."}),
	}
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		m.streamErrors.WithLabelValues(strconv.Itoa(status)) // 0 before the first: a rate sees no rise of a series that begins with it
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.inFlight, m.streamErrors, m.seconds, m.firstToken, m.nextToken, m.promptTokens, m.answerTokens)
	}
	return m
}

// refusable makes the series of a route's refusals: a rate sees no rise of one that begins
// with the first.
func (m *Metrics) refusable(path string) {
	m.requests.WithLabelValues(path, strconv.Itoa(http.StatusTooManyRequests))
}

// timed is around the handlers of requests for work: who leaves before the answer counts, too.
func (m *Metrics) timed(path string, h handler) handler {
	seconds := m.seconds.WithLabelValues(path)
	return func(w http.ResponseWriter, r *http.Request) error {
		begin := time.Now()
		defer func() { seconds.Observe(time.Since(begin).Seconds()) }()
		return h(w, r)
	}
}

func (m *Metrics) prompt(prompts []prompt) {
	for _, p := range prompts {
		m.promptTokens.Add(float64(len(p.ids)))
	}
}

func (m *Metrics) broken(e *apiError) {
	m.streamErrors.WithLabelValues(strconv.Itoa(e.status)).Inc()
}

// clock times the tokens of one request's sequences.
type clock struct {
	m    *Metrics
	last []time.Time // of each sequence's latest token; at first, of the request
	got  []bool
}

func newClock(m *Metrics, sequences int, begin time.Time) *clock {
	c := &clock{m: m, last: make([]time.Time, sequences), got: make([]bool, sequences)}
	for i := range c.last {
		c.last[i] = begin
	}
	return c
}

// token goes by when the token was drawn: it comes here when the client has taken those
// before it.
func (c *clock) token(t tagged) {
	if !t.event.HasToken {
		return
	}
	took := t.event.At.Sub(c.last[t.index]).Seconds()
	if c.got[t.index] {
		c.m.nextToken.Observe(took)
	} else {
		c.m.firstToken.Observe(took)
	}
	c.m.answerTokens.Inc()
	c.last[t.index], c.got[t.index] = t.event.At, true
}
