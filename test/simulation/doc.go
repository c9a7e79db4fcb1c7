// Package simulation runs the real pool reconciler, the real planner, the real
// autoscaler, the pods' real way of taking documents (podctl.Watcher) and the
// routers' real choice of a placement (placement.Document.Choose) in a world that
// exists only in memory: an API server, a StatefulSet controller, kubelets, expert
// nodes that load one expert at a time, routers with calls under way, and a clock.
//
// One event happens at a time, drawn at random from a seed: messages are late,
// lost, repeated and out of order; the operator dies after any of its writes and
// reads from a cache that is behind; nodes restart, freeze and are cut off, and machines
// are lost with all their pods; users change the spec, and somebody deletes the placement's record. After each event
// the invariants of docs/architecture.md are checked.
//
// The same seed gives the same history:
//
//	go test ./test/simulation -run TestSimulation -seed 17
package simulation
