// Package dispatch sends token rows to the expert nodes that own the experts and
// brings back what the experts made of them.
//
// A Dispatcher keeps a connection to every node of the serving and the target
// placement, with one stream per lane. From what the nodes announce it keeps a
// route: an immutable table from (layer, expert) to the nodes that are ready to
// compute it, under one placement epoch. Do groups its rows by node, sends one
// request to each, and collects the answers. What fails is sent again, alone, to
// another owner by the newest route, or waits until there is one (invariant 2).
// A Do stays in one epoch: what it has to send when that has changed makes it start
// over under the new one (invariant 3).
//
// Files: options and dispatcher (state), route (the table), node, lane and pending
// (connections and their requests), call, group, retry, sick, hedge and silence (one Do),
// pace and instant (how long requests take), status and metrics (what can be seen).
package dispatch
