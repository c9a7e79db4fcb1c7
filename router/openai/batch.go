package openai

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// errEndedEarly: a channel closed without a last event while the client still
// waits. Only a fault in the engine does that.
var errEndedEarly = errors.New("openai: the engine ended a sequence without a finish reason")

// batch is the sequences of one request: prompts x n, choice i of prompt j at
// index j*n + i.
type batch struct {
	s      *Server
	seqs   []*sequence
	stop   []context.CancelCauseFunc // frees one sequence's work
	events chan tagged
	wait   sync.WaitGroup
	cancel context.CancelCauseFunc
}

type tagged struct {
	index int
	event engine.Event
	ended bool // the sequence's channel is closed; event is not valid
}

// submit queues all sequences of a request, or none: if one is refused, those
// before it are cancelled. The caller must close the batch.
func (s *Server) submit(ctx context.Context, p *params, prompts []prompt) (*batch, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &batch{s: s, events: make(chan tagged), cancel: cancel}
	for j := range prompts {
		for i := range p.n {
			if err := b.add(ctx, p, &prompts[j], i); err != nil {
				b.close()
				return nil, err
			}
		}
	}
	return b, nil
}

func (b *batch) add(ctx context.Context, p *params, pr *prompt, choice int) error {
	own, stop := context.WithCancelCause(ctx)
	r := p.Request
	r.Prompt, r.Seed = pr.ids, p.seedOf(choice)
	events, err := b.s.Generator.Submit(own, &r)
	if err != nil {
		stop(err)
		return err
	}
	index := len(b.seqs)
	b.seqs = append(b.seqs, newSequence(b.s.Tokenizer, index, p, pr))
	b.stop = append(b.stop, stop)
	b.wait.Add(1)
	go b.forward(ctx, index, events)
	return nil
}

// forward merges one sequence's events into the batch's. It ends with the
// batch, whether or not anybody still reads.
func (b *batch) forward(ctx context.Context, index int, events <-chan engine.Event) {
	defer b.wait.Done()
	for ev := range events {
		select {
		case b.events <- tagged{index: index, event: ev}:
		case <-ctx.Done():
			return
		}
	}
	select {
	case b.events <- tagged{index: index, ended: true}:
	case <-ctx.Done():
	}
}

// close frees everything the batch still computes. Where the client has hung up that
// has ended its context before, and stays the cause.
func (b *batch) close() {
	b.cancel(engine.ErrGivenUp)
	for _, stop := range b.stop {
		stop(nil)
	}
	b.wait.Wait()
}

// run hands every delta to on, in the order of each sequence, until all have
// finished. on says whether it showed the client something; idle is called when that
// is so long ago; nil = never.
func (b *batch) run(ctx context.Context, every time.Duration, idle func() error, on func(*sequence, delta) (shown bool, err error)) error {
	clock := newClock(b.s.Metrics, len(b.seqs))
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for left := len(b.seqs); left > 0; {
		select {
		case t := <-b.events:
			q := b.seqs[t.index]
			if q.done {
				continue // what came after a stop string
			}
			d, err := b.receive(q, t)
			if err != nil {
				return err
			}
			clock.token(t)
			shown, err := on(q, d)
			if err != nil {
				return err
			}
			if shown {
				ticker.Reset(every)
			}
			if q.done {
				b.stop[t.index](engine.ErrEnough)
				left--
			}
		case <-ticker.C:
			if idle == nil {
				continue
			}
			if err := idle(); err != nil {
				return err
			}
		case <-ctx.Done():
			return errClientGone
		}
	}
	return nil
}

func (b *batch) receive(q *sequence, t tagged) (delta, error) {
	switch {
	case t.ended:
		return delta{}, errEndedEarly
	case t.event.Err != nil:
		return delta{}, t.event.Err
	}
	var d delta
	if q.p.echo && !q.started {
		d = q.echoed(b.s.Tokenizer, t.event.Prompt)
	}
	q.started = true
	d.add(q.push(t.event))
	return d, nil
}

// usage counts each prompt once, however many choices it has.
func (b *batch) usage() *usage {
	u := &usage{}
	for i, q := range b.seqs {
		if i%q.p.n == 0 {
			u.PromptTokens += len(q.prompt.ids)
			u.PromptTokensDetails.CachedTokens += q.cached
		}
		u.CompletionTokens += q.generated
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}
