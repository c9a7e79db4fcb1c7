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

// group is the sequences of one request: prompts x n, choice i of prompt j at
// index j*n + i. Each is a request of its own to the engine.
type group struct {
	s      *Server
	begin  time.Time // of being queued
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
// before it are cancelled. The caller must close the group.
func (s *Server) submit(ctx context.Context, p *params, prompts []prompt) (*group, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	g := &group{s: s, begin: time.Now(), events: make(chan tagged), cancel: cancel}
	for j := range prompts {
		for i := range p.n {
			if err := g.add(ctx, p, &prompts[j], i); err != nil {
				g.close()
				return nil, err
			}
		}
	}
	return g, nil
}

func (g *group) add(ctx context.Context, p *params, pr *prompt, choice int) error {
	own, stop := context.WithCancelCause(ctx)
	r := p.Request
	r.Prompt, r.Seed = pr.ids, p.seedOf(choice)
	events, err := g.s.Generator.Submit(own, &r)
	if err != nil {
		stop(err)
		return err
	}
	index := len(g.seqs)
	g.seqs = append(g.seqs, newSequence(g.s.Tokenizer, index, p, pr))
	g.stop = append(g.stop, stop)
	g.wait.Add(1)
	go g.forward(ctx, index, events)
	return nil
}

// forward merges one sequence's events into the group's. It ends with the
// group, whether or not anybody still reads.
func (g *group) forward(ctx context.Context, index int, events <-chan engine.Event) {
	defer g.wait.Done()
	for ev := range events {
		select {
		case g.events <- tagged{index: index, event: ev}:
		case <-ctx.Done():
			return
		}
	}
	select {
	case g.events <- tagged{index: index, ended: true}:
	case <-ctx.Done():
	}
}

// close frees everything the group still computes. Where the client has hung up that
// has ended its context before, and stays the cause.
func (g *group) close() {
	g.cancel(engine.ErrGivenUp)
	for _, stop := range g.stop {
		stop(nil)
	}
	g.wait.Wait()
}

// run hands every delta to on, in the order of each sequence, until all have
// finished. on says whether it showed the client something; idle is called when that
// is so long ago; nil = never.
func (g *group) run(ctx context.Context, every time.Duration, idle func() error, on func(*sequence, delta) (shown bool, err error)) error {
	clock := newClock(g.s.Metrics, len(g.seqs), g.begin)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for left := len(g.seqs); left > 0; {
		select {
		case t := <-g.events:
			q := g.seqs[t.index]
			if q.done {
				continue // what came after a stop string
			}
			d, err := g.receive(q, t)
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
				g.stop[t.index](engine.ErrEnough)
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

func (g *group) receive(q *sequence, t tagged) (delta, error) {
	switch {
	case t.ended:
		return delta{}, errEndedEarly
	case t.event.Err != nil:
		return delta{}, t.event.Err
	}
	var d delta
	if q.p.echo && !q.started {
		d = q.echoed(g.s.Tokenizer, t.event.Prompt)
	}
	q.started = true
	d.add(q.push(t.event))
	return d, nil
}

// usage counts each prompt once, however many choices it has.
func (g *group) usage() *usage {
	u := &usage{}
	for i, q := range g.seqs {
		if i%q.p.n == 0 {
			u.PromptTokens += len(q.prompt.ids)
			u.PromptTokensDetails.CachedTokens += q.cached
		}
		u.CompletionTokens += q.generated
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}
