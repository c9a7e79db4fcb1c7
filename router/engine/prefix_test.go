package engine_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// text is n tokens that start like every other text of the same kind.
func text(kind, n int) []int32 {
	ids := make([]int32, n)
	for p := range ids {
		ids[p] = int32((p*p*11 + kind*37 + p*kind) % 500)
	}
	return ids
}

// drawing asks for n tokens after prompt; seed names it, and must be its own.
func drawing(prompt []int32, n int, seed uint64) *engine.Request {
	r := &engine.Request{Prompt: prompt, MaxTokens: n, IgnoreEOS: true, Logprobs: 2, PromptLogprobs: -1}
	r.Seed = seed
	if seed%2 == 1 {
		r.Temperature, r.TopP = 0.8, 0.9
	}
	return r
}

// same compares an answer, and the logits it was drawn from, with the reference's.
func same(t *testing.T, r, reference *rig, req *engine.Request, got answer) {
	t.Helper()
	if err := equal(reference.ask(t, req), got); err != nil {
		t.Errorf("request %d: %v", req.Seed, err)
	}
	if !slices.Equal(reference.logits(req.Seed), r.logits(req.Seed)) {
		t.Errorf("request %d: other logits", req.Seed)
	}
}

// Cold, repeated, shared in part, not shared: only what is new is computed, and
// the bits are those of an engine that computes everything.
func TestAPrefixIsComputedOnce(t *testing.T) {
	r, reference := start(t, limits()), forgetful(t, limits())
	prompt := text(1, 70)
	first := r.ask(t, drawing(prompt, 30, 1))
	same(t, r, reference, drawing(prompt, 30, 1), first)
	answered := append(slices.Clone(prompt), first.Tokens...)
	prompts, found := 70.0, 0.0
	for i, c := range []struct {
		name   string
		prompt []int32
		cached int
	}{
		{"the same", prompt, 64},
		{"one more than full pages", prompt[:65], 64},
		{"full pages: the last has the row to draw from", prompt[:64], 48},
		{"less than a page", prompt[:15], 0},
		{"it begins alike", append(slices.Clone(prompt[:40]), text(2, 60)...), 32},
		{"its first token differs", append([]int32{499}, prompt[1:]...), 0},
		{"a page of it elsewhere", prompt[16:70], 0},
		{"with the answer to it", append(slices.Clone(answered), 5, 6), 96},
	} {
		req := drawing(c.prompt, 4, uint64(i+2))
		before := r.metric(t, "olmoe_engine_rows_total")
		got := r.ask(t, req)
		same(t, r, reference, req, got)
		if got.Cached != c.cached {
			t.Errorf("%s: %d tokens cached, want %d", c.name, got.Cached, c.cached)
		}
		prompts, found = prompts+float64(len(c.prompt)), found+float64(c.cached)
		r.settled(t, "olmoe_engine_rows_total", before+float64(len(c.prompt)-c.cached+3))
	}
	r.settled(t, "olmoe_engine_prompt_tokens_total", prompts)
	r.settled(t, "olmoe_engine_prefix_cached_tokens_total", found)
	r.settled(t, "olmoe_engine_kv_pages_used", 0)
	if n := r.metric(t, "olmoe_engine_kv_pages_cached"); n == 0 {
		t.Error("no page is cached")
	}
	if n := reference.metric(t, "olmoe_engine_prefix_cached_tokens_total") + reference.metric(t, "olmoe_engine_kv_pages_cached"); n != 0 {
		t.Error("switched off, it keeps pages")
	}
}

// Four choices of one prompt, at once, in a cache that holds it once: 6 pages
// shared and one of each one's own.
func TestChoicesShareTheirPrompt(t *testing.T) {
	l := limits()
	l.KVBytes = 10 * pageBytes
	r, reference := start(t, l), forgetful(t, limits())
	var streams []<-chan engine.Event
	for i := range 4 {
		streams = append(streams, r.submit(t, context.Background(), drawing(text(3, 100), 8, uint64(i+1))))
	}
	for i, ch := range streams {
		same(t, r, reference, drawing(text(3, 100), 8, uint64(i+1)), collect(t, ch))
	}
	r.settled(t, "olmoe_engine_rows_total", 100+3*(100-96)+4*7)
	if n := r.metric(t, "olmoe_engine_preempted_total"); n != 0 {
		t.Errorf("%g preemptions: the pages were not shared", n)
	}
}

// Cached pages are as good as free: they give way one by one, and what was evicted
// is computed again.
func TestCachedPagesGiveWay(t *testing.T) {
	l := limits()
	l.KVBytes = 8 * pageBytes
	r, reference := start(t, l), forgetful(t, limits())
	for i, c := range []struct{ kind, tokens, cached int }{
		{1, 60, 0}, {1, 60, 48}, {2, 60, 0}, {1, 60, 48}, // 3 + 4 pages
		{3, 120, 0}, // the whole cache
		{1, 60, 0}, {2, 60, 0},
		{3, 120, 16}, // its last pages went first
	} {
		req := drawing(text(c.kind, c.tokens), 4, uint64(i+1))
		got := r.ask(t, req)
		same(t, r, reference, req, got)
		if got.Cached != c.cached {
			t.Errorf("request %d: %d tokens cached, want %d", i+1, got.Cached, c.cached)
		}
	}
	if n := r.metric(t, "olmoe_engine_preempted_total") + r.metric(t, "olmoe_engine_kv_pages_used"); n != 0 {
		t.Errorf("cached pages preempted a sequence, or are counted as used: %g", n)
	}
}

// What has to be seen is computed: a prompt's own probabilities, and traces.
func TestWantedRowsAreComputed(t *testing.T) {
	r, reference := start(t, limits()), forgetful(t, limits())
	prompt := text(4, 80)
	r.ask(t, drawing(prompt, 3, 1))
	scored := drawing(prompt, 3, 2)
	scored.PromptLogprobs = 2
	got := r.ask(t, scored)
	same(t, r, reference, scored, got)
	if len(got.Prompt) != 80 || got.Cached != 0 {
		t.Errorf("%d of 80 tokens scored, %d cached", len(got.Prompt), got.Cached)
	}
	seen := &rows{}
	ch, err := r.SubmitTraced(context.Background(), drawing(prompt, 3, 3), seen)
	if err != nil {
		t.Fatal(err)
	}
	same(t, r, reference, drawing(prompt, 3, 3), collect(t, ch))
	if len(seen.logits) != 82 || seen.logits[0] != 0 || seen.logits[81] != 81 {
		t.Errorf("logits were traced at %v", seen.logits)
	}
	none := drawing(prompt, 0, 4) // nothing to see: the prompt is only put in the cache
	if got := r.ask(t, none); got.Cached != 64 || got.Finish != engine.FinishLength {
		t.Errorf("without an answer: %+v", got)
	}
}

// rows is a tracer that notes the positions whose logits it is shown.
type rows struct{ logits []int }

func (*rows) Embedding(int, []float32)                   {}
func (*rows) Gate(int, int, []int32, []float32, float32) {}
func (*rows) Layer(int, int, []float32)                  {}
func (*rows) Final(int, []float32)                       {}
func (r *rows) Logits(pos int, _ []float32)              { r.logits = append(r.logits, pos) }

// Random requests that begin alike, some given up, in caches from roomy to far too
// small: every answer and every logit is that of an engine that computes everything.
func TestRandomPrefixes(t *testing.T) {
	reference := forgetful(t, limits())
	preempted, found := 0.0, 0.0
	for _, seed := range []uint64{1, 2, 3, 4} {
		rng := rand.New(rand.NewPCG(seed, 91))
		l := limits()
		l.MaxRows = []int{64, 17, 256, 40}[seed-1]
		l.MaxSequences = min(16, l.MaxRows)
		l.KVBytes = []int64{14, 20, 1000, 16}[seed-1] * pageBytes
		r := start(t, l)
		for round := range 3 {
			randomRound(t, rng, r, reference, 1000*seed+100*uint64(round))
		}
		r.settled(t, "olmoe_engine_kv_pages_used", 0)
		if total := r.metric(t, "olmoe_engine_kv_pages"); r.metric(t, "olmoe_engine_kv_pages_cached") > total {
			t.Errorf("more than %g pages cached", total)
		}
		t.Logf("cache of %d pages: %g preemptions", l.KVBytes/pageBytes, r.metric(t, "olmoe_engine_preempted_total"))
		preempted += r.metric(t, "olmoe_engine_preempted_total")
		found += r.metric(t, "olmoe_engine_prefix_cached_tokens_total")
	}
	if preempted == 0 || found == 0 {
		t.Errorf("%g preemptions, %g tokens cached: the test shows nothing", preempted, found)
	}
}

// randomRound submits some requests at once and compares those that are not given up.
func randomRound(t *testing.T, rng *rand.Rand, r, reference *rig, seed uint64) {
	t.Helper()
	type asked struct {
		req    *engine.Request
		stream <-chan engine.Event
	}
	var all []asked
	for i := range uint64(20) {
		prompt := slices.Clone(text(rng.IntN(2), 80)[:1+rng.IntN(80)])
		prompt = append(prompt, text(10+rng.IntN(2), 40)[:rng.IntN(40)]...)
		req := drawing(prompt, 1+rng.IntN(100), seed+i+1)
		if rng.IntN(6) == 0 {
			req.PromptLogprobs = 1
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ch := r.submit(t, ctx, req)
		if rng.IntN(6) == 0 {
			<-ch
			cancel()
			continue
		}
		all = append(all, asked{req, ch})
	}
	for _, a := range all {
		same(t, r, reference, a.req, collect(t, a.stream))
	}
}
