package engine

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// Sampler draws the next token from logits [V]; banned ids must not be drawn. It
// keeps what it has drawn, for penalties.
type Sampler interface {
	Next(logits []float32, banned []int32) (int32, error)
}

// sequence is a request on its way. Only the engine's loop touches it, and while it is
// queued who holds the queue's mu, but for ctx and out.
type sequence struct {
	ctx  context.Context
	req  *Request
	out  *outbox
	stop map[int32]bool // ids that end it
	ban  []int32        // ids not to be drawn before MinTokens

	tokens    []int32 // prompt and generated so far
	computed  int     // positions whose keys and values are in kv
	cached    int     // of these, positions that were found, not computed
	generated int
	chunk     int // rows of it in the step, while that is planned
	kv        model.Cache
	sampler   Sampler
	prompt    []PromptLogprob // collected when asked for
	trace     Tracer
	place     *list.Element // in the queue; nil when it is not there
	queued    time.Time     // when it began to wait for its first place; zero once it has had one
	passed    int           // how many have had a place before it that came later
	running   bool
	ended     bool        // has its last event, or nobody who reads it
	unwatch   func() bool // stops watching ctx
}

// pending is the number of tokens that must still run before the next can be drawn.
func (s *sequence) pending() int { return len(s.tokens) - s.computed }

// decoding says that exactly one token stands between the cache and the next draw.
func (s *sequence) decoding() bool { return s.generated > 0 && s.pending() == 1 }

// reset forgets the cache, after its pages were taken away: everything is computed
// again, to the same bits.
func (s *sequence) reset() { s.computed, s.cached, s.kv.Pages = 0, 0, nil }

// outbox is an unbounded-in-time, bounded-in-size queue between the loop, which
// must never block on a slow client, and the client. It holds at most the
// request's own tokens.
type outbox struct {
	mu     sync.Mutex
	events []Event
	closed bool
	wake   chan struct{}
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

func (o *outbox) put(e Event) {
	e.At = time.Now()
	o.mu.Lock()
	o.events = append(o.events, e)
	o.mu.Unlock()
	o.notify()
}

func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.notify()
}

func (o *outbox) notify() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns what has come; used, which was taken before, holds what comes next.
func (o *outbox) take(used []Event) (events []Event, closed bool) {
	clear(used)
	o.mu.Lock()
	defer o.mu.Unlock()
	events, o.events = o.events, used[:0]
	return events, o.closed
}

// deliver moves events to the client's channel until the sequence ends or the
// client goes.
func (o *outbox) deliver(ctx context.Context, to chan<- Event) {
	defer close(to)
	var events []Event
	for {
		var closed bool
		events, closed = o.take(events)
		for _, e := range events {
			select {
			case to <- e:
			case <-ctx.Done():
				return
			}
		}
		if closed {
			return
		}
		select {
		case <-o.wake:
		case <-ctx.Done():
			return
		}
	}
}
