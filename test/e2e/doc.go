// Package e2e checks the whole product on a real cluster: control plane, two nodes, containers, the
// chart, the sample. It runs as root only, by "make test-e2e" (build tag e2e).
//
// The cluster is an instance of its own (CLUSTER=e2e), so a demo that is up is left alone. Set
// E2E_KEEP=1 to find it up after the test.
package e2e
