// Package poolsim replays a day of traffic against a pool of 64 to 1,000 expert
// nodes, with the real planner (package planner) and the real autoscaler
// (package autoscale) or another policy in charge of the number of nodes.
//
// Two time scales are kept apart. Nodes start, load, switch and leave in seconds:
// those are events, in an ordinary event queue. Requests wait for milliseconds,
// and there are 10^9 of them in a day: their waiting is not simulated one by one
// but computed in every slot of time (5 s) from the arrival rate at each node, as
// the stationary wait of a single server that takes all that waits as one batch
// (queue.go). A test holds the formula against a simulation of single requests.
//
// Everything is seeded and deterministic: the same configuration gives the same
// day to every policy, and the same figures on every run.
package poolsim
