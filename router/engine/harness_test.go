package engine_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/sampling"
)

// tiny is a checkpoint that all tests share.
var tiny string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "olmoe-engine-")
	if err != nil {
		panic(err)
	}
	tiny = filepath.Join(dir, "tiny")
	o := synth.Tiny()
	o.Layers, o.MaxPositions, o.Tokenizer = 2, 256, false
	if err := synth.Write(tiny, o); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// hooked lets a test see and spoil calls to the experts.
type hooked struct {
	model.Experts
	mu   sync.Mutex
	hook func(ctx context.Context, layer int) error
	lie  func(layer int, out []float32) // spoils what they answer
}

func (h *hooked) set(f func(context.Context, int) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hook = f
}

// stall makes every layer wait until its step is given up, and tells of each that does.
func (h *hooked) stall() (entered <-chan struct{}) {
	told := make(chan struct{}, 1000)
	h.set(func(ctx context.Context, _ int) error {
		told <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	return told
}

func (h *hooked) Do(ctx context.Context, layer int, x []float32, rows int, ids []int32, out []float32) error {
	h.mu.Lock()
	f, lie := h.hook, h.lie
	h.mu.Unlock()
	if f != nil {
		if err := f(ctx, layer); err != nil {
			return err
		}
	}
	err := h.Experts.Do(ctx, layer, x, rows, ids, out)
	if lie != nil {
		lie(layer, out)
	}
	return err
}

// lies spoils every answer; nil ends it.
func (h *hooked) lies(f func(layer int, out []float32)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lie = f
}

// rig is a running engine over the tiny checkpoint.
type rig struct {
	*engine.Engine
	experts *hooked
	fatal   chan error
	metrics *prometheus.Registry
	stop    context.CancelFunc
	fail    context.CancelCauseFunc // stop with a cause
	stopped <-chan struct{}         // the loop has ended
	spoilt  atomic.Pointer[float32] // what every log-probability is, if set
	mu      sync.Mutex
	drawn   map[uint64]*drawnFrom // by the request's seed
}

// drawnFrom sums up, to the bit, the logits of each draw of a sequence.
type drawnFrom struct {
	engine.Sampler
	sums []uint64
}

func (d *drawnFrom) Next(logits []float32, banned []int32) (int32, error) {
	h := fnv.New64a()
	for _, v := range logits {
		b := math.Float32bits(v)
		h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
	}
	d.sums = append(d.sums, h.Sum64())
	return d.Sampler.Next(logits, banned)
}

// record keeps what a sequence is drawn from, if its seed names it.
func (r *rig) record(seed uint64, s engine.Sampler) engine.Sampler {
	if seed == 0 {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drawn[seed] = &drawnFrom{Sampler: s}
	return r.drawn[seed]
}

func (r *rig) logprobs(logits []float32, token int32, n int) (engine.TokenLogprob, []engine.TokenLogprob) {
	p, top := sampling.Logprobs(logits, token, n)
	if v := r.spoilt.Load(); v != nil {
		p.Logprob = *v
	}
	return p, top
}

// logits of the sequence with this seed, summed up; it must have ended.
func (r *rig) logits(seed uint64) []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drawn[seed].sums
}

// metric is the value of a counter or gauge of the engine.
func (r *rig) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// observed is how often a histogram of the engine was given a value.
func (r *rig) observed(t *testing.T, name string) (n uint64) {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			n = f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	return n
}

// settled waits until a metric, which the loop may set after the answer, has a value.
func (r *rig) settled(t *testing.T, name string, want float64) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); r.metric(t, name) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is %g, want %g", name, r.metric(t, name), want)
		}
	}
}

// pageBytes is a KV page of the tiny checkpoint: 2 layers x 2 x 16 x 64 x 4 B.
const pageBytes = 16 << 10

func limits() engine.Limits {
	return engine.Limits{MaxSequences: 64, MaxQueue: 64, MaxRows: 64, KVBytes: 64 << 20}
}

// start runs an engine for the test's duration, as it is served.
func start(t *testing.T, l engine.Limits) *rig { return startWith(t, l, true) }

// forgetful is an engine that computes everything: the reference.
func forgetful(t *testing.T, l engine.Limits) *rig { return startWith(t, l, false) }

func startWith(t *testing.T, l engine.Limits, prefixCache bool) *rig {
	t.Helper()
	ck, err := checkpoint.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(2)
	trunk, err := model.OpenTrunk(context.Background(), ck, nil)
	if err != nil {
		t.Fatal(err)
	}
	local, err := model.OpenLocal(context.Background(), ck, pool)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{experts: &hooked{Experts: local}, fatal: make(chan error, 1), metrics: prometheus.NewRegistry(), drawn: map[uint64]*drawnFrom{}}
	r.Engine, err = engine.New(engine.Options{
		Limits: l, PrefixCache: prefixCache, Runner: model.NewRunner(trunk, pool, r.experts, l.MaxRows), Logprobs: r.logprobs,
		NewSampler: func(p engine.Sampling, prompt []int32) engine.Sampler {
			return r.record(p.Seed, sampling.New(p, prompt, trunk.Config().VocabSize))
		},
		Guard: ck.Guard, Fatal: func(err error) { r.fatal <- err }, Log: logr.Discard(),
		Metrics: engine.NewMetrics(r.metrics),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, fail := context.WithCancelCause(context.Background())
	cancel := func() { fail(nil) }
	done := make(chan struct{})
	r.stop, r.fail, r.stopped = cancel, fail, done
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; pool.Close(); _ = ck.Close() })
	return r
}

// answer is all that a client could see of a sequence.
type answer struct {
	Tokens []int32
	Probs  []engine.TokenLogprob
	Prompt []engine.PromptLogprob
	Finish engine.FinishReason
	Stop   int32
	Err    error
	Cached int // tokens of the prompt that were not computed: the one thing that may differ
}

func (r *rig) submit(t *testing.T, ctx context.Context, req *engine.Request) <-chan engine.Event {
	t.Helper()
	ch, err := r.Submit(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// collect reads a stream to its end; it must come within a minute.
func collect(t *testing.T, ch <-chan engine.Event) answer {
	t.Helper()
	var a answer
	timeout := time.After(time.Minute)
	for {
		select {
		case ev, ok := <-ch:
			if !ok {
				return a
			}
			if ev.HasToken {
				a.Tokens = append(a.Tokens, ev.Token)
				a.Probs = append(a.Probs, ev.Logprob)
			}
			if ev.Prompt != nil {
				a.Prompt = ev.Prompt
			}
			a.Finish, a.Err, a.Cached = ev.Finish, ev.Err, a.Cached+ev.CachedTokens
			if ev.Stopped {
				a.Stop = ev.StopToken
			}
		case <-timeout:
			t.Fatal("no end of the stream within a minute")
		}
	}
}

func (r *rig) ask(t *testing.T, req *engine.Request) answer {
	t.Helper()
	return collect(t, r.submit(t, context.Background(), req))
}

// request number i: prompts of different lengths, greedy and sampled.
func request(i int) *engine.Request {
	req := &engine.Request{MaxTokens: 8 + i%5, IgnoreEOS: true, Logprobs: 0, PromptLogprobs: -1}
	for p := range 1 + (i*13)%70 {
		req.Prompt = append(req.Prompt, int32((p*p*7+i*31)%500))
	}
	if i%2 == 1 {
		req.Sampling = engine.Sampling{Temperature: 0.9, TopP: 0.95, Seed: uint64(i)}
	}
	return req
}

// requests are the first n, with answers that are longer by some tokens.
func requests(n, longer int) []*engine.Request {
	all := make([]*engine.Request, n)
	for i := range all {
		all[i] = request(i)
		all[i].MaxTokens += longer
	}
	return all
}

// equal compares answers to the bit.
func equal(a, b answer) error {
	a.Cached, b.Cached = 0, 0
	if x, y := fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b); x != y {
		return fmt.Errorf("answers differ:\n%s\n%s", x, y)
	}
	return nil
}
