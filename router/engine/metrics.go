package engine

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// Metrics of the engine, all named olmoe_engine_*.
type Metrics struct {
	queued, running                       prometheus.Gauge
	pagesUsed, pagesCached, pagesTotal    prometheus.Gauge
	refused, cancelled, failed, preempted prometheus.Counter
	overdue                               prometheus.Counter
	finished, generated, rows, halved     prometheus.Counter
	prompt, cached                        prometheus.Counter
	queueSeconds, stepSeconds             prometheus.Histogram
}

// NewMetrics registers the engine's metrics; a nil registerer leaves them unregistered.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "olmoe", Subsystem: "engine", Name: name, Help: help}))
	}
	counter := func(name, help string) prometheus.Counter {
		return register(reg, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "olmoe", Subsystem: "engine", Name: name, Help: help}))
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "olmoe", Subsystem: "engine", Name: name, Help: help, Buckets: buckets}))
	}
	return &Metrics{
		queued:      gauge("queued_sequences", "Sequences that wait for a place in the batch."),
		running:     gauge("running_sequences", "Sequences in the batch."),
		pagesUsed:   gauge("kv_pages_used", "KV cache pages in use by sequences."),
		pagesCached: gauge("kv_pages_cached", "KV cache pages of ended sequences that serve prompts that begin alike, until their memory is needed."),
		pagesTotal:  gauge("kv_pages", "KV cache pages there may be."),
		refused:     counter("refused_total", "Requests refused because the queue was full."),
		overdue:     counter("queue_timeouts_total", "Sequences that waited in the queue for as long as any may."),
		cancelled:   counter("cancelled_total", "Sequences whose client hung up."),
		failed:      counter("failed_total", "Sequences that ended with an error."),
		preempted:   counter("preempted_total", "Times a sequence lost its KV pages to an older one."),
		finished:    counter("finished_total", "Sequences that ended as they should."),
		generated:   counter("generated_tokens_total", "Tokens drawn for sequences that ended."),
		prompt:      counter("prompt_tokens_total", "Prompt tokens of sequences that got as far as their first token."),
		cached:      counter("prefix_cached_tokens_total", "Of these prompt tokens, those that were found in the KV cache and not computed again."),
		rows:        counter("rows_total", "Token rows computed, prefill and decode."),
		halved:      counter("halved_steps_total", "Steps that ran as two halves, one at the experts while the other was computed in the router."),
		queueSeconds: histogram("queue_seconds", "Wait for the first place in the batch, also of sequences that never got one.",
			prometheus.ExponentialBuckets(0.01, 2, 17)), // to 655 s
		stepSeconds: histogram("step_seconds", "Time of one step of the model.", prometheus.ExponentialBuckets(0.001, 2, 15)),
	}
}

func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg != nil {
		reg.MustRegister(c)
	}
	return c
}

func (m *Metrics) step(d time.Duration, rows int, halved bool) {
	m.stepSeconds.Observe(d.Seconds())
	m.rows.Add(float64(rows))
	if halved {
		m.halved.Inc()
	}
}

// ended counts a sequence once, by how it ended, and its tokens however it did.
func (m *Metrics) ended(s *sequence, how prometheus.Counter) {
	if how != nil {
		how.Inc()
	}
	m.generated.Add(float64(s.generated))
}

// by is how a sequence ended whose context did, with this cause; nil: not to be counted.
func (m *Metrics) by(cause error) prometheus.Counter {
	switch {
	case errors.Is(cause, ErrEnough):
		return m.finished
	case errors.Is(cause, ErrGivenUp):
		return nil
	}
	return m.cancelled
}

func (m *Metrics) pages(p *model.Pages) {
	m.pagesUsed.Set(float64(p.InUse()))
	m.pagesCached.Set(float64(p.Cached()))
	m.pagesTotal.Set(float64(p.Total()))
}
