package openai_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// siblings runs sequences that never say anything, but for the third: that is refused,
// or fails. It tells why the contexts of the others ended.
type siblings struct {
	refuse, fail error
	submitted    atomic.Int32
	causes       chan error
}

func (s *siblings) Submit(ctx context.Context, _ *engine.Request) (<-chan engine.Event, error) {
	out := make(chan engine.Event, 1)
	switch third := s.submitted.Add(1) == 3; {
	case third && s.refuse != nil:
		return nil, s.refuse
	case third && s.fail != nil:
		out <- engine.Event{Err: s.fail}
		close(out)
		return out, nil
	}
	go func() {
		defer close(out)
		<-ctx.Done()
		s.causes <- context.Cause(ctx)
	}()
	return out, nil
}

// The engine counts as hung up what a client has left, not what a request gives up
// because another of its sequences was refused or failed.
func TestSiblingsAreGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		refuse, fail error
		hangUp       bool
		want         error
	}{
		"refused": {engine.ErrQueueFull, nil, false, engine.ErrGivenUp},
		"failed":  {nil, engine.ErrNotReady, false, engine.ErrGivenUp},
		"left":    {nil, nil, true, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			gen := &siblings{refuse: c.refuse, fail: c.fail, causes: make(chan error, 3)}
			url := start(t, &fake.Engine{}, func(o *openai.Options) { o.Generator = gen })
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+completions, strings.NewReader(`{"prompt":"x","n":3}`))
			if err != nil {
				t.Fatal(err)
			}
			if c.hangUp {
				go func() {
					waitFor(t, "the sequences to start", func() bool { return gen.submitted.Load() == 3 })
					cancel()
				}()
			}
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
			}
			for range 2 {
				if got := <-gen.causes; !errors.Is(got, c.want) {
					t.Errorf("ended by %v, want %v", got, c.want)
				}
			}
		})
	}
}

// talkers say one letter and wait to be told that it is enough.
type talkers struct{ causes chan error }

func (s talkers) Submit(ctx context.Context, _ *engine.Request) (<-chan engine.Event, error) {
	out := make(chan engine.Event, 1)
	out <- engine.Event{Token: 'a', HasToken: true}
	go func() {
		defer close(out)
		<-ctx.Done()
		s.causes <- context.Cause(ctx)
	}()
	return out, nil
}

// A sequence that has said its stop string has finished: nobody gave it up.
func TestStopStringIsEnough(t *testing.T) {
	gen := talkers{causes: make(chan error, 2)}
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.Generator = gen })
	call(t, 200, url+completions, `{"prompt":"x","n":2,"stop":"a"}`)
	for range 2 {
		if got := <-gen.causes; !errors.Is(got, engine.ErrEnough) {
			t.Errorf("ended by %v, want %v", got, engine.ErrEnough)
		}
	}
}

// The prompt of a request that is refused, and sent again, counts once.
func TestPromptTokensOfRefusedRequests(t *testing.T) {
	eng := &fake.Engine{Script: "a"}
	url := start(t, eng, withMetrics, func(o *openai.Options) { o.Generator = refuseFirst{eng} })
	call(t, 429, url+completions, `{"prompt":"xyz","n":2}`)
	call(t, 200, url+completions, `{"prompt":"xyz","n":2}`)
	wantMetric(t, url, `olmoe_http_prompt_tokens_total 3`)
}

// refuseFirst has no room for the second sequence that it sees.
type refuseFirst struct{ *fake.Engine }

func (r refuseFirst) Submit(ctx context.Context, q *engine.Request) (<-chan engine.Event, error) {
	if r.Submitted.Load() == 1 {
		r.Submitted.Add(1)
		return nil, engine.ErrQueueFull
	}
	return r.Engine.Submit(ctx, q)
}
