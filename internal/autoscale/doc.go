// Package autoscale says how many expert nodes a pool shall have. It is pure: no
// clock, no I/O, and the same answer however many CPUs there are; the caller brings
// time, signals and what was remembered, and keeps the answer.
//
// The pool is judged by its busiest node, not by a mean: one overloaded node
// delays every token, because a layer waits for all its experts. The rules, in
// the order in which Decide asks them:
//
//  1. While a step (or any rollout) is under way, nothing changes, unless that may never
//     end: there is no room for the model (fewer than MinNodes), so that no placement can
//     be made, or all that is missing are nodes above the range.
//  2. A number outside of the range goes towards it, one node at a time, also
//     without signals. The range is max(Min, MinNodes)..Max.
//  3. A signal that is missing, stale or not a number changes nothing, up or
//     down: a lost pod is a fault to be repaired, not a wish for fewer nodes.
//  4. Out by one: the busiest node is above a target (time spent computing, or
//     mean wait of a request) for ScaleOutWindow. Not before RebalanceWindow if
//     moving experts on the same nodes would do, and somebody moves them.
//  5. In by one: for ScaleInWindow the busiest node would have stayed below
//     ScaleInMargin of both targets with one node less, and a plan of the same
//     load on one node less (the real planner, with no more moves than the step
//     makes) says so too.
//  6. At most one reversal (out after in, or in after out) in ReversalWindow.
//
// What was measured before the last step counts as it would have been after it
// (rule 4 and 5), so that a pool far from its size takes step after step without
// waiting for a fresh window, and stops where the prediction meets the target.
package autoscale
