package fake

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/sampling"
)

// Engine is an engine.Generator whose logits are a hash of the tokens so far,
// or spell Script. Faults can be set per Engine.
type Engine struct {
	Script     string        // generated after any prompt, then the end of sequence; "" = hashed text
	Context    int           // longest sequence; 0 = unlimited
	Delay      time.Duration // before each token
	Ahead      int           // tokens that wait for their reader while others are drawn
	Refuse     error         // Submit fails; from request number RefuseFrom on
	RefuseFrom int
	FailAt     int // > 0: token number FailAt is Fail instead
	Fail       error
	Vanish     bool // the channel closes without a last event, at FailAt
	Panic      bool // Submit panics
	Cached     int  // reported in the first event

	Submitted atomic.Int32
	Active    atomic.Int32 // sequences whose context has not ended
	Last      atomic.Pointer[engine.Request]
}

// Submit implements engine.Generator.
func (e *Engine) Submit(ctx context.Context, r *engine.Request) (<-chan engine.Event, error) {
	if e.Panic {
		panic("fake: asked to")
	}
	n := int(e.Submitted.Add(1))
	if e.Refuse != nil && n > e.RefuseFrom {
		return nil, e.Refuse
	}
	copied := *r
	e.Last.Store(&copied)
	for _, id := range r.Prompt {
		if id < 0 || id >= Vocab {
			return nil, fmt.Errorf("%w: %d", engine.ErrTokenRange, id)
		}
	}
	out := make(chan engine.Event, e.Ahead)
	e.Active.Add(1)
	go func() {
		defer close(out)
		defer e.Active.Add(-1)
		e.generate(ctx, &copied, out)
	}()
	return out, nil
}

func (e *Engine) generate(ctx context.Context, r *engine.Request, out chan<- engine.Event) {
	g := &run{e: e, r: r, tokens: append([]int32(nil), r.Prompt...), sampler: sampling.New(r.Sampling, r.Prompt, Vocab)}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(e.Delay):
		}
		if e.Vanish && g.generated+1 == e.FailAt {
			return
		}
		ev := g.step()
		ev.At = time.Now()
		select {
		case out <- ev:
		case <-ctx.Done():
			return
		}
		if ev.Finish != "" || ev.Err != nil {
			return
		}
	}
}

// run is one sequence.
type run struct {
	e         *Engine
	r         *engine.Request
	tokens    []int32
	generated int
	sampler   *sampling.Sampler
}

func (g *run) step() (ev engine.Event) {
	if g.e.FailAt > 0 && g.generated+1 == g.e.FailAt {
		return engine.Event{Err: g.e.Fail}
	}
	if g.generated == 0 {
		ev.Prompt, ev.CachedTokens = g.scores(), g.e.Cached
	}
	if g.r.MaxTokens == 0 {
		ev.Finish = engine.FinishLength
		return ev
	}
	logits := g.logits(g.tokens)
	id, err := g.sampler.Next(logits, g.banned())
	if err != nil {
		return engine.Event{Err: err}
	}
	ev.Token, ev.HasToken = id, true
	if g.r.Logprobs >= 0 {
		ev.Logprob, ev.Top = sampling.Logprobs(logits, id, g.r.Logprobs)
	}
	g.tokens = append(g.tokens, id)
	g.generated++
	g.finish(&ev)
	return ev
}

func (g *run) ends(id int32) bool {
	for _, s := range g.r.StopTokenIDs {
		if s == id {
			return true
		}
	}
	return id == EOS && !g.r.IgnoreEOS
}

func (g *run) finish(ev *engine.Event) {
	switch {
	case g.ends(ev.Token):
		ev.Finish, ev.Stopped, ev.StopToken = engine.FinishStop, true, ev.Token
	case g.generated >= g.r.MaxTokens || g.e.Context > 0 && len(g.tokens) >= g.e.Context:
		ev.Finish = engine.FinishLength
	}
}

func (g *run) banned() []int32 {
	if g.generated >= g.r.MinTokens {
		return nil
	}
	return append([]int32{EOS}, g.r.StopTokenIDs...)
}

func (g *run) scores() []engine.PromptLogprob {
	if g.r.PromptLogprobs < 0 {
		return nil
	}
	out := make([]engine.PromptLogprob, len(g.r.Prompt))
	for i := 1; i < len(out); i++ {
		out[i].Token, out[i].Top = sampling.Logprobs(g.logits(g.r.Prompt[:i]), g.r.Prompt[i], g.r.PromptLogprobs)
	}
	return out
}

// logits prefers lower-case letters and spaces, by a hash of the tokens; with a
// Script its next token is 30 above all others.
func (g *run) logits(tokens []int32) []float32 {
	h := uint64(14695981039346656037)
	for _, t := range tokens {
		h = (h ^ uint64(t)) * 1099511628211
	}
	x := make([]float32, Vocab)
	for i := range x {
		x[i] = float32(math.Mod(float64(sampling.SeedOf(h, i+1)>>11)*0x1p-53*100, 4))
		if i < 'a' || i > 'z' {
			x[i] -= 12
		}
	}
	x[' '] += 13
	if script := (Tokenizer{}).Encode(g.e.Script); len(script) > 0 {
		x[append(script, EOS)[min(len(tokens)-min(len(g.r.Prompt), len(tokens)), len(script))]] += 30
	}
	return x
}
