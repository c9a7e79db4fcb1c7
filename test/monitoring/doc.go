// Package monitoring tests the alerts and the dashboard of config/monitoring with
// Prometheus' own engine: against a healthy deployment and against broken ones, and the
// autoscalers' queries of docs/scaling.md against a deployment beside others. It is a
// module of its own, so that nothing else depends on Prometheus.
package monitoring
