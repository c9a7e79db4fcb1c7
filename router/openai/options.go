package openai

import (
	"net/http"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// Tokenizer is what the API needs of a tokenizer (FromTokenizer adapts ours).
// It must be safe for concurrent use.
type Tokenizer interface {
	Encode(text string) []int32        // no special tokens added
	EncodeSpecial(text string) []int32 // with the tokenizer's own bos and eos
	Decode(ids []int32, skipSpecial bool) string
	NewDecoder(skipSpecial bool) Decoder
	TokenBytes(id int32) []byte  // the bytes it adds to a text; nil if there is no such token
	TokenString(id int32) string // its spelling in the vocabulary
}

// Decoder decodes one stream; the pieces joined equal Decode of all ids.
type Decoder interface {
	Push(id int32) string
	Breaks(id int32) bool // Push of it will begin with U+FFFD for an incomplete character before it
	Flush() string
}

// Message is one turn of a conversation. Name is "" if the client gave none.
type Message struct{ Role, Content, Name string }

// Chat renders a conversation as a prompt (FromTemplate adapts ours).
type Chat interface {
	Render(messages []Message, addGenerationPrompt bool, kwargs map[string]any) (string, error)
}

// Defaults and bounds of Options (invariant 8).
const (
	// DefaultMaxBody fits a full 4096-token context as text a hundred times over.
	DefaultMaxBody = 4 << 20
	// DefaultMaxChoices bounds prompts x n of one request, as OpenAI bounds n.
	DefaultMaxChoices = 128
	// DefaultMaxBodies bounds the requests that are read at once, and the bytes of bodies that
	// are held until then, to so many of the largest: with what is made of them some 20 MiB each.
	DefaultMaxBodies = 512
	// DefaultMaxRequests bounds the requests being answered with tokens, until their clients
	// have it all. A router adds those that may wait and run: so many are left for slow readers.
	DefaultMaxRequests = 512
	// DefaultMaxTokenize bounds the requests at once whose short texts are tokenized, those
	// whose long ones are (see parser.tokenize), and those that are answered with tokens or
	// a text: the answer to a large body takes up to 200 MiB while it is made.
	DefaultMaxTokenize = 4
	// DefaultKeepAlive is below the 15 to 60 s after which proxies cut an idle stream.
	DefaultKeepAlive = 10 * time.Second
	// DefaultBodyTimeout bounds a client that sends its body slowly.
	DefaultBodyTimeout = 30 * time.Second
	// DefaultTurnTimeout bounds the wait for one of those places.
	DefaultTurnTimeout = 30 * time.Second
	// DefaultWriteTimeout bounds a client that does not read: per event, or answer that is
	// written at once. A large one has as much again for each 2 MiB.
	DefaultWriteTimeout = 30 * time.Second
)

// Options make a Server. Generator, Model, Context and Vocab are required;
// every other zero value has a default or means "none".
type Options struct {
	Generator engine.Generator // nil: the model is being loaded; all but probes and metrics is answered 503
	Tokenizer Tokenizer        // nil: prompts and answers are token ids only
	Chat      Chat             // nil: chat requests are refused

	Model       string // the id clients name
	Context     int    // longest sequence, prompt and answer together, in tokens
	Vocab       int    // rows of the embedding: valid ids are [0, Vocab)
	Fingerprint string // of weights and program, for system_fingerprint
	Version     string

	APIKey      string       // empty: no authorisation
	Ready       func() error // nil error = this router can serve; used by /ready only
	Metrics     *Metrics
	MetricsPage http.Handler // mounted at /metrics
	Load        http.Handler // mounted at /debug/load, behind the API key
	Log         logr.Logger

	MaxBody      int64
	MaxChoices   int
	MaxBodies    int
	MaxRequests  int
	MaxTokenize  int
	TurnTimeout  time.Duration
	KeepAlive    time.Duration
	BodyTimeout  time.Duration
	WriteTimeout time.Duration
}

func (o Options) withDefaults() Options {
	setDefault(&o.MaxBody, DefaultMaxBody)
	setDefault(&o.MaxChoices, DefaultMaxChoices)
	setDefault(&o.MaxBodies, DefaultMaxBodies)
	setDefault(&o.MaxRequests, DefaultMaxRequests)
	setDefault(&o.MaxTokenize, DefaultMaxTokenize)
	setDefault(&o.TurnTimeout, DefaultTurnTimeout)
	setDefault(&o.KeepAlive, DefaultKeepAlive)
	setDefault(&o.BodyTimeout, DefaultBodyTimeout)
	setDefault(&o.WriteTimeout, DefaultWriteTimeout)
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
