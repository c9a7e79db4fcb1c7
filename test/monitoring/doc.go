// Package monitoring tests the alerts and the dashboard of config/monitoring with
// Prometheus' own engine: against a healthy deployment and against broken ones. It is a
// module of its own, so that nothing else depends on Prometheus.
package monitoring
