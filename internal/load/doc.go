// Package load is how the load of experts is counted, remembered and summed up:
// per layer, expert and node, in a sliding window. It is pure: clocks are passed
// in, and nothing here talks to anybody.
//
// A node counts cumulatively (Counts, in a Meter) and keeps a snapshot a second
// (History). A window is the difference of two of them, so that a longer or a
// shorter one costs the serving path nothing. Sum turns the windows of all nodes
// into what a person or a planner asks: who is busy, which experts are hot, how
// balanced a layer is.
package load
