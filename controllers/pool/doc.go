// Package pool reconciles ExpertPools: it makes the expert nodes, decides which
// of them holds which experts, and brings a new placement into force without a
// moment in which an expert has no owner.
//
// Everything is decided anew in each round from the pool, its children, and what
// the pods report (package rollout). The placement ConfigMap is the record; the
// pool's status holds a second copy.
//
// # A round
//
// Reconcile (controller) goes through one from the top of this list to its end. Its state
// is a view; the types in it know nothing of the view, or of what comes after them.
//
//	observe, look    asks everybody; what it finds goes into these:
//	  wanted           what the spec asks for
//	  record, copy     the placement as it is written down, and its copy in the status
//	  kept             what must outlive the operator beside it: moves, steps of scaling
//	  nodeset          the StatefulSet, and what it has brought about
//	  pods, refusing   what pods are and say
//	  trouble          what somebody has to mend
//	memory           since when something is so, by earlier rounds:
//	  lost, stalls     losses: which nodes are lost
//	  unreachable      unheards: which pods run and do not answer
//	  machines         located: what nodes run on
//	  looks, signals   what was found of the load
//	  move             the placement that is being prepared
//	state            all of this as rollout.Decide wants it; then there is a decision:
//	  budget, balance  what nodes may load because of load
//	publish          the record, then the pods
//	render, unstick  the children
//	scale            the number of nodes, by package autoscale
//	what it comes to:
//	  cover            which experts have an owner
//	  progress         how far the pool is on its way to what the spec wants
//	  verdict          readiness: the conditions Ready, Reconciling, Stalled, Available
//	  balanced         balancing: the condition Balanced
//	status, loadstatus, metrics   tell it
//	turn             when the next round is due, and which pool comes first
//
// # Beside the rounds
//
// alarms hears from routers at once that a node is silent, and begins a round; endpoints is
// a controller of its own, which tells routers where nodes are.
package pool
