// Package openai serves an engine.Generator over HTTP in the shapes of OpenAI's
// API (completions, chat, models) and vLLM's (tokenize, detokenize, and its
// extra request and response fields).
//
// A request goes through one pipeline:
//
//	server.go, middleware.go  routes, request id, panics, limits, metrics
//	body.go, jsoncheck.go     bounded body -> valid, unambiguous JSON
//	fields.go, params*.go     typed and ranged fields; an unknown one is an error
//	prompt.go, messages.go    text, messages or ids -> token ids
//	batch.go                  one engine request per choice, events merged
//	sequence.go, stop.go      tokens -> text, stop strings across tokens
//	half.go                   a character over the border of prompt and answer
//	logprobs.go               tokens -> names that no two share (vocabulary.go)
//	echo.go                   a prompt's tokens -> where they stand in its text
//	completions.go, chat.go   one answer, or one SSE event per delta
//
// Nothing of the answer depends on how the events arrive: streaming and not
// streaming give the same text, tokens and finish reason.
package openai
