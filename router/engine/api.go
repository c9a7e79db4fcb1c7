package engine

import (
	"context"
	"errors"
	"time"
)

// Request is one sequence to generate. The answer depends on its fields alone
// (invariant 1), never on what else is in the batch.
type Request struct {
	// Prompt holds at least one token id, each in [0, VocabSize).
	Prompt []int32
	Sampling
	// MaxTokens bounds the generated tokens; 0 generates none (useful with PromptLogprobs).
	MaxTokens int
	// AfterContext: the token that follows the last position of the context is drawn, too. It
	// needs no position, but an answer would be longer than the context.
	AfterContext bool
	// MinTokens: before so many tokens neither EOS nor a stop token is sampled.
	MinTokens int
	// StopTokenIDs end the sequence (the stop token is the last Event).
	StopTokenIDs []int32
	// IgnoreEOS lets the model's own end-of-sequence ids pass as ordinary tokens.
	IgnoreEOS bool
	// Logprobs < 0: none; n >= 0: the sampled token's and the n largest.
	Logprobs int
	// PromptLogprobs likewise, for the prompt's own tokens (echo).
	PromptLogprobs int
}

// Sampling controls how a token is drawn from the logits. The zero value with
// Temperature 0 is greedy: the largest logit, the lowest id on a tie.
type Sampling struct {
	Temperature       float32           // 0 = greedy
	TopP              float32           // (0, 1]; 1 = off
	TopK              int               // 0 or less = off
	MinP              float32           // [0, 1]; 0 = off
	Seed              uint64            // always set: the API draws one if the client gave none
	PresencePenalty   float32           // OpenAI: subtracted once per generated token kind
	FrequencyPenalty  float32           // OpenAI: subtracted per occurrence among the generated
	RepetitionPenalty float32           // HF: over prompt and generated; 1 (or 0) = off
	LogitBias         map[int32]float32 // added to the logits
}

// TokenLogprob is a token with its natural-log probability under the model
// (of the raw logits, before temperature and penalties), and its rank (1 = most likely).
type TokenLogprob struct {
	ID      int32
	Logprob float32
	Rank    int
}

// FinishReason says why a sequence ended.
type FinishReason string

// Reasons, spelled as OpenAI does.
const (
	FinishNone   FinishReason = ""
	FinishStop   FinishReason = "stop"   // EOS or a stop token
	FinishLength FinishReason = "length" // MaxTokens or the context length reached
)

// Event is one generated token, or the end of the stream.
type Event struct {
	Token    int32 // valid if HasToken
	HasToken bool
	Logprob  TokenLogprob   // if Request.Logprobs >= 0
	Top      []TokenLogprob // Request.Logprobs largest, descending
	// Prompt comes once, with the first event, if Request.PromptLogprobs >= 0:
	// entry i is of prompt token i; the first has no probability and is the zero value.
	Prompt []PromptLogprob
	Finish FinishReason // set on the last event
	// StopToken is the EOS or stop token id that ended the sequence; valid if Stopped.
	StopToken int32
	Stopped   bool
	// CachedTokens of the prompt were not computed again (first event only).
	CachedTokens int
	Err          error     // the last event of a failed sequence
	At           time.Time // when it came about, whenever it is read
}

// PromptLogprob is the probability of a prompt token given those before it.
type PromptLogprob struct {
	Token TokenLogprob
	Top   []TokenLogprob
}

// Errors a Generator returns from Submit or in Event.Err, for the API to map to a status.
var (
	ErrQueueFull   = errors.New("the request queue is full")           // 429, as a *BusyError
	ErrQueueWait   = errors.New("too long in the request queue")       // 429, as a *BusyError
	ErrDraining    = errors.New("this router is shutting down")        // 503
	ErrFailed      = errors.New("this router cannot serve on")         // 503
	ErrNotReady    = errors.New("experts without an owner; try again") // 503
	ErrContextFull = errors.New("prompt longer than the context")      // 400
	ErrTokenRange  = errors.New("token id out of the vocabulary")      // 400
)

// BusyError is ErrQueueFull or ErrQueueWait, with what is known of when to try again.
type BusyError struct {
	Err    error
	Waited time.Duration // by the first of those that wait: another one will wait about as long
}

func (e *BusyError) Error() string { return e.Err.Error() }

// Unwrap is for errors.Is.
func (e *BusyError) Unwrap() error { return e.Err }

// ErrEnough is the cause with which a Submit's context is cancelled when the client
// has its whole answer, so that the sequence counts as finished.
var ErrEnough = errors.New("the answer is complete")

// ErrGivenUp is the cause with which a Submit's context is cancelled when the caller gave
// up the sequence itself, such as those of a request of which one was refused: nobody hung up.
var ErrGivenUp = errors.New("the caller gave up the sequence itself")

// Generator is what the HTTP API needs of the engine.
type Generator interface {
	// Submit queues the request and returns at once. The channel yields events in
	// order and is closed after the last. Cancelling ctx frees the sequence within
	// one step; the channel is then closed too, without a further event.
	Submit(ctx context.Context, r *Request) (<-chan Event, error)
}
