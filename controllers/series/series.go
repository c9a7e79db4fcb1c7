// Package series makes the operator's metrics of objects: of each metric one series for
// each object, which goes with it. So they are bounded by the number of objects.
package series

import (
	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// labels of every series. An OLMoEDeployment is called as its pool is.
var labels = []string{"namespace", "pool"}

// Metrics are those of one kind of object. The zero value is ready to use, while a
// program's variables are made.
type Metrics struct{ all []*prometheus.MetricVec }

// Gauge makes a metric and registers it.
func (m *Metrics) Gauge(name, help string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	metrics.Registry.MustRegister(g)
	m.all = append(m.all, g.MetricVec)
	return g
}

// Counter makes a metric and registers it.
func (m *Metrics) Counter(name, help string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	metrics.Registry.MustRegister(c)
	m.all = append(m.all, c.MetricVec)
	return c
}

// Forget drops the series of an object that is gone.
func (m *Metrics) Forget(object ctrl.Request) {
	for _, v := range m.all {
		v.DeleteLabelValues(object.Namespace, object.Name)
	}
}
