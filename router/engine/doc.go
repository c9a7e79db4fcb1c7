// Package engine turns prompts of token ids into sampled tokens: continuous
// batching, chunked prefill, KV cache, attention and gating; experts are
// reached through a dispatcher.
//
// One loop (Engine.Run) lets sequences into the batch, plans a step, runs the model over
// its rows and draws from what it gives, again and again. It never waits for a client, and
// what a step contains never changes an answer (invariant 1).
//
//	api                the contract: requests, events, errors
//	engine             the engine and its loop; how a request enters
//	sequence           a request on its way, and the outbox its events leave by
//	queue              what waits for a place, under a lock of its own
//	pass               who goes before one for which there is no room
//	admit              who gets a place in the batch, and when
//	plan, stepstate    the rows of a step, and whose pages make room for them
//	prefix             pages that sequences with equal beginnings share
//	step               the model's run over the rows, and when it fails
//	clients            who waits for the step; without anybody it ends early
//	sample             logits where they are wanted: drawn, scored, handed out
//	end                how sequences end
//	metrics, trace     what can be seen
package engine
