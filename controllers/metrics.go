package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// watchedGauge has a series for each namespace of the command line, so it is bounded.
var watchedGauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "olmoe_operator_namespace_watched",
	Help: "Of each namespace of --watch-namespaces: 1, or 0 where the operator may not read it and has started without it.",
}, []string{"namespace"})

func init() { metrics.Registry.MustRegister(watchedGauge) }
