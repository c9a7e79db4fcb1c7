// Package planner finds out which node should hold which experts. It is a pure function
// of its input: no clock, no I/O, no imports but package placement and the standard
// library's, and the same result however many CPUs plan the layers.
//
// Plan (plan.go) takes a Request (request.go). Without loads each layer is spread
// evenly (even.go). With loads each layer is drafted by itself, on several CPUs
// (worker.go), and ends in one of the states of its draft (draft.go):
//
//	nothing is held   fresh: by falling load; search to a better one; wander beyond it
//	Cover             mend: experts without an owner get one, and nothing else moves
//	else              mend: what must change; search: steps from there, each an option;
//	                  a layer made from nothing beside it, if steps end far from the
//	                  least possible, with its sets handed to the nodes that hold most
//	                  of them already (relabel)
//
// Then spend chooses each layer's option, if moves are limited for all layers together.
// Sets that no node holds yet go to nodes so that these are even over the layers (level).
//
//	layer, weigh          one layer while it is made: who holds what, and the load of each
//	place                 a copy where no node has a free slot for it: chains of moves
//	search, step          the descent: the best step that relieves the busiest node
//	exchange, recount     what steps there are: experts change places; copies come and go
//	burden, ranking       what makes looking for a step cheap
//	spread                how many copies each expert gets
//	domains, apart, part  copies of an expert on different machines
//	bound, measure        the balance that no placement can exceed: how good the search is
//	satisfied             whether a placement is what a Request wants, but for its loads
package planner
