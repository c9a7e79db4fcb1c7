// Package openai serves an engine.Generator over HTTP in the shapes of OpenAI's
// API (completions, chat, models) and vLLM's (tokenize, detokenize, and its
// extra request and response fields).
//
// Three types share the work. Server does what there is of HTTP, and runs the sequences.
// Its parser makes of a request's JSON what the engine takes: it knows the model's limits,
// and nothing of HTTP. Its tokenNames write tokens in log-probabilities.
//
// A request goes through one pipeline, of which serveCompletions is the shortest way to
// see the whole:
//
//	server, middleware           routes, request id, panics, the key
//	body, jsoncheck              bodies bounded, alone and together -> valid, unambiguous JSON
//	parser                       what is known of the model while a request is read
//	fields, params, lists        typed and ranged fields; an unknown one is an error
//	unsupported                  fields that are refused, and why
//	prompt, messages, resume     text, messages or ids -> token ids
//	encode, turns                texts wait for their turn to be tokenized
//	length                       how much may be generated and scored
//	group                        one engine request per choice, events merged
//	sequence, stop               tokens -> text, stop strings across tokens
//	half                         a character over the border of prompt and answer
//	logprobs, vocabulary         tokens -> names that no two share
//	echo                         a prompt's tokens -> where they stand in its text
//	generate, sse                one answer, or one SSE event per delta
//	envelope, completions, chat  the two shapes of it
//
// Beside it: tokenize, models and probes (the other routes), errors and wording (what
// clients are told), options, adapt and httpserver (how a program uses the package), and
// metrics.
//
// Nothing of the answer depends on how the events arrive: streaming and not
// streaming give the same text, tokens and finish reason.
package openai
