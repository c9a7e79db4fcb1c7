package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// alone answers requests one at a time in a roomy engine without a prefix cache:
// the reference.
func alone(t *testing.T, requests []*engine.Request) []answer {
	t.Helper()
	r := forgetful(t, limits())
	var want []answer
	for i, req := range requests {
		a := r.ask(t, req)
		if a.Err != nil || len(a.Tokens) != req.MaxTokens {
			t.Fatalf("request %d: %d tokens, error %v", i, len(a.Tokens), a.Err)
		}
		want = append(want, a)
	}
	return want
}

// together answers all requests at once and compares with the reference.
func together(t *testing.T, r *rig, requests []*engine.Request, want []answer) {
	t.Helper()
	var streams []<-chan engine.Event
	for _, req := range requests {
		streams = append(streams, r.submit(t, context.Background(), req))
	}
	for i, ch := range streams {
		if err := equal(want[i], collect(t, ch)); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

// Invariant 1: an answer depends on the request alone.
func TestAnswersDoNotDependOnTheBatch(t *testing.T) {
	all := requests(32, 0)
	want := alone(t, all)
	for _, rows := range []int{256, 64, 33} { // whole prompts, chunks, small odd chunks
		l := limits()
		l.MaxRows = rows
		l.MaxSequences = min(l.MaxSequences, rows)
		together(t, start(t, l), all, want)
	}
	l := limits()
	l.MaxSequences, l.MaxRows = 3, 5
	together(t, start(t, l), all, want)
}

func TestPreemptedSequencesGiveTheSameAnswer(t *testing.T) {
	all := requests(12, 80) // longer than the room that is kept for them to grow
	want := alone(t, all)
	l := limits()
	l.KVBytes = 14 * pageBytes // two or three sequences at once
	r := start(t, l)
	together(t, r, all, want)
	if r.metric(t, "olmoe_engine_preempted_total") == 0 {
		t.Error("no sequence was preempted: the test shows nothing")
	}
	if got := r.metric(t, "olmoe_engine_kv_pages_used"); got > 14 {
		t.Errorf("%g pages in use", got)
	}
}

// A cache that is smaller than the model's context bounds it: what is taken can end.
func TestTheCacheBoundsTheContext(t *testing.T) {
	l := limits()
	l.KVBytes = 3 * pageBytes
	r := start(t, l)
	if got := r.Context(); got != 48 {
		t.Errorf("context of %d, want 48", got)
	}
	req := &engine.Request{Prompt: make([]int32, 49), MaxTokens: 1, Logprobs: -1, PromptLogprobs: -1}
	if _, err := r.Submit(context.Background(), req); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("49 tokens in a cache of 48: %v", err)
	}
	var streams []<-chan engine.Event
	for range 2 { // one after the other
		req = &engine.Request{Prompt: make([]int32, 40), MaxTokens: 20, IgnoreEOS: true, Logprobs: -1, PromptLogprobs: -1}
		streams = append(streams, r.submit(t, context.Background(), req))
	}
	for _, ch := range streams {
		if a := collect(t, ch); a.Err != nil || a.Finish != engine.FinishLength || len(a.Tokens) != 8 {
			t.Errorf("a sequence that fills the cache: %d tokens, %q, %v", len(a.Tokens), a.Finish, a.Err)
		}
	}
}

func TestRefusals(t *testing.T) {
	r := start(t, limits())
	for name, c := range map[string]struct {
		prompt []int32
		max    int
		want   error
	}{
		"empty":       {nil, 1, engine.ErrTokenRange},
		"negative":    {[]int32{1, -1}, 1, engine.ErrTokenRange},
		"beyond":      {[]int32{512}, 1, engine.ErrTokenRange},
		"too long":    {make([]int32, 257), 1, engine.ErrContextFull},
		"no room":     {make([]int32, 256), 1, engine.ErrContextFull},
		"room to see": {make([]int32, 256), 0, nil},
	} {
		_, err := r.Submit(context.Background(), &engine.Request{Prompt: c.prompt, MaxTokens: c.max, Logprobs: -1, PromptLogprobs: -1})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// An engine that is stopped fails what it has, and takes nothing more.
func TestStoppedEngineAnswersAll(t *testing.T) {
	r := start(t, limits())
	entered := r.experts.stall()
	ch := r.submit(t, context.Background(), request(1))
	<-entered
	r.stop()
	if a := collect(t, ch); !errors.Is(a.Err, engine.ErrDraining) {
		t.Errorf("running when it was stopped: %+v", a)
	}
	if _, err := r.Submit(context.Background(), request(2)); !errors.Is(err, engine.ErrDraining) {
		t.Errorf("after it was stopped: %v", err)
	}
}

// One that is stopped because the router fails says so: nobody drains.
func TestAFailureIsNoDrain(t *testing.T) {
	for name, busy := range map[string]bool{"running": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			r := start(t, limits())
			if busy {
				entered := r.experts.stall()
				ch := r.submit(t, context.Background(), request(1))
				<-entered
				defer func() {
					if a := collect(t, ch); !errors.Is(a.Err, engine.ErrFailed) {
						t.Errorf("running when it failed: %+v", a)
					}
				}()
			}
			r.fail(fmt.Errorf("%w: port lost", engine.ErrFailed))
			<-r.stopped
			if _, err := r.Submit(context.Background(), request(2)); !errors.Is(err, engine.ErrFailed) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestEnds(t *testing.T) {
	r := start(t, limits())
	free := r.ask(t, &engine.Request{Prompt: []int32{5, 9}, MaxTokens: 12, IgnoreEOS: true, Logprobs: -1, PromptLogprobs: -1})
	if free.Finish != engine.FinishLength || len(free.Tokens) != 12 {
		t.Fatalf("free run: %+v", free)
	}
	stop := free.Tokens[4]
	at := slices.Index(free.Tokens, stop) // it may come earlier too
	req := &engine.Request{Prompt: []int32{5, 9}, MaxTokens: 12, IgnoreEOS: true, StopTokenIDs: []int32{stop}, Logprobs: -1, PromptLogprobs: -1}
	a := r.ask(t, req)
	if a.Finish != engine.FinishStop || a.Stop != stop || len(a.Tokens) != at+1 {
		t.Errorf("stop token %d: %+v", stop, a)
	}
	req.MinTokens = 12
	if a := r.ask(t, req); len(a.Tokens) != 12 || slices.Contains(a.Tokens, stop) {
		t.Errorf("min tokens: %+v", a)
	}
	long := &engine.Request{Prompt: make([]int32, 250), MaxTokens: 100, IgnoreEOS: true, Logprobs: -1, PromptLogprobs: -1}
	if a := r.ask(t, long); a.Finish != engine.FinishLength || len(a.Tokens) != 6 {
		t.Errorf("at the context's end: %d tokens, %q", len(a.Tokens), a.Finish)
	}
}

func TestPromptLogprobs(t *testing.T) {
	l := limits()
	l.MaxRows = 64
	r := start(t, l)
	req := request(5)
	req.PromptLogprobs, req.MaxTokens = 3, 0
	scored := r.ask(t, req)
	if len(scored.Prompt) != len(req.Prompt) || scored.Finish != engine.FinishLength || scored.Tokens != nil {
		t.Fatalf("%d entries for %d tokens, finish %q", len(scored.Prompt), len(req.Prompt), scored.Finish)
	}
	for i, p := range scored.Prompt[1:] {
		if p.Token.ID != req.Prompt[i+1] || len(p.Top) != 3 || p.Token.Logprob >= 0 || p.Top[0].Logprob < p.Token.Logprob {
			t.Fatalf("entry %d: %+v", i+1, p)
		}
	}
	// the probability of a token as prompt is that of the same token as answer
	short := request(5)
	short.Prompt, short.MaxTokens, short.Sampling = req.Prompt[:10], 1, engine.Sampling{}
	drawn := r.ask(t, short)
	long := request(5)
	long.Prompt, long.MaxTokens, long.PromptLogprobs = append(slices.Clone(req.Prompt[:10]), drawn.Tokens[0], 7), 0, 0
	if got := r.ask(t, long).Prompt[10].Token; got != drawn.Probs[0] {
		t.Errorf("as prompt %+v, as answer %+v", got, drawn.Probs[0])
	}
}

// Invariant 2: never a partial answer; the next request is served.
func TestFailedStepFailsItsSequencesOnly(t *testing.T) {
	r := start(t, limits())
	want := r.ask(t, request(2))
	r.experts.set(func(context.Context, int) error { return errors.New("layer 1 expert 3: no owner") })
	if a := r.ask(t, request(2)); !errors.Is(a.Err, engine.ErrNotReady) || a.Tokens != nil {
		t.Errorf("failing: %+v", a)
	}
	r.experts.set(nil)
	if err := equal(want, r.ask(t, request(2))); err != nil {
		t.Error(err)
	}
}

// A fault in mapped weights ends the engine: no later answer could be trusted.
func TestChangedWeightsEndTheEngine(t *testing.T) {
	r := start(t, limits())
	file := filepath.Join(tiny, "model.safetensors")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.Truncate(file, 4096); err != nil {
		t.Fatal(err)
	}
	if a := r.ask(t, request(1)); !errors.Is(a.Err, engine.ErrFailed) {
		t.Errorf("after the file was truncated: %+v", a)
	}
	if err := <-r.fatal; !errors.Is(err, checkpoint.ErrChanged) {
		t.Errorf("fatal error %v", err)
	}
	if _, err := r.Submit(context.Background(), request(1)); !errors.Is(err, engine.ErrFailed) {
		t.Errorf("the next request: %v", err)
	}
	r.stop()
	<-r.stopped
	if _, err := r.Submit(context.Background(), request(1)); !errors.Is(err, engine.ErrFailed) {
		t.Errorf("after it was stopped as well: %v", err)
	}
}
