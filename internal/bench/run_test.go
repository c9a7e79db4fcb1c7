package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

// router answers like one whose every token activates 2 experts and takes 5 objects;
// each look at its counters takes 50.
type router struct {
	mu                   sync.Mutex
	activations, mallocs int
	prompts              [][]int32
	missing              int // tokens of each answer that do not come
}

func (f *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/metrics" {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.mallocs += 50
		_, _ = fmt.Fprintf(w, "go_memstats_mallocs_total %d\nolmoe_expert_activations_total{layer=\"0\"} %d\n", f.mallocs, f.activations)
		return
	}
	var request struct {
		Prompt    []int32 `json:"prompt"`
		MaxTokens int     `json:"max_tokens"`
		Stream    bool    `json:"stream"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || !request.Stream {
		http.Error(w, "no request for a stream", http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.prompts = append(f.prompts, request.Prompt)
	f.mu.Unlock()
	for range request.MaxTokens - f.missing {
		f.mu.Lock()
		f.activations, f.mallocs = f.activations+2, f.mallocs+5
		f.mu.Unlock()
		_, _ = fmt.Fprint(w, "data: {\"choices\":[{\"token_ids\":[7]}]}\n\n")
		w.(http.Flusher).Flush()
		time.Sleep(100 * time.Microsecond) // for several to run at once; where they do not, more tokens are asked for
	}
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n")
}

// fakeBench measures a fake router, of which only the experts' weights count: a byte each.
func fakeBench(t *testing.T, f *router) (*bench, *client) {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	cfg := &checkpoint.Config{NumLayers: 2, NumExperts: 500, MaxPositionEmbeddings: 1 << 16}
	return &bench{cost: cost{expertBytes: 1}, cfg: cfg}, &client{url: s.URL, vocab: 1000}
}

var unit = Limits{Read: 1, F32: 1, Int8: 1}

// What a decode reads is the experts that the counters say were active, a step; what it
// takes in memory is what the counters grew by, a token.
func TestDecodeIsHeldAgainstTheCounters(t *testing.T) {
	for _, batch := range []int{1, 3} {
		f := &router{activations: 100, mallocs: 1000}
		b, c := fakeBench(t, f)
		o, err := b.decode(t.Context(), c, batch, 4, 9)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.prompts)%batch != 0 || len(f.prompts[0]) != 9 || o.Batch != batch || o.Tokens < decodeTokens || o.Context != 9 {
			t.Errorf("%d sequences after %v: %+v", batch, f.prompts, o.Result)
		}
		if o.AllocationsPerToken != 5 {
			t.Errorf("%d sequences: %g objects a token, want 5", batch, o.AllocationsPerToken)
		}
		// A step of the batch reads 2 bytes for each sequence.
		if got, want := o.fraction(unit), 2*o.TokensPerSecond; math.Abs(got-want) > 1e-9*want || o.SecondsP50 <= 0 {
			t.Errorf("%d sequences: %g of the limit at %g tokens a second", batch, got, o.TokensPerSecond)
		}
	}
}

// A prompt is new each time, and read experts count once.
func TestPrefillIsOfANewPrompt(t *testing.T) {
	f := &router{activations: 100}
	b, c := fakeBench(t, f)
	for range 2 {
		o, err := b.prefill(t.Context(), c, 30)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := o.fraction(unit)*o.SecondsP50, 2.0; math.Abs(got-want) > 1e-9 || math.Abs(o.TokensPerSecond*o.SecondsP50-30) > 1e-9 {
			t.Errorf("%g experts are read, want %g; %+v", got, want, o.Result)
		}
	}
	if len(f.prompts) != 2 || len(f.prompts[0]) != 30 || slices.Equal(f.prompts[0], f.prompts[1]) {
		t.Errorf("prompts %v", f.prompts)
	}
}

// An answer that lacks a token is no measurement.
func TestMissingTokensAreAnError(t *testing.T) {
	f := &router{missing: 1}
	_, c := fakeBench(t, f)
	if _, err := c.stream(t.Context(), []int32{1}, 3); err == nil || !strings.Contains(err.Error(), "2 tokens came, 3 were asked for") {
		t.Errorf("error %v", err)
	}
}

// Of several runs the one in the middle counts, the first only warms up, and each is held
// against the limits around it and against a run of one process.
func TestMedianOfRuns(t *testing.T) {
	looks := 0
	b := &bench{Options: Options{Runs: 3, Weights: "int8", Nodes: []string{"a", "b"}, OneProcess: "url", Limits: func() Limits {
		looks++
		return Limits{Read: float64(looks)}
	}}}
	seconds := []float64{99, 3, 1, 2}
	runs, whole := 0, 0
	run := func(_ context.Context, c *client, size int) (outcome, error) {
		if c == &b.whole {
			whole++
			return outcome{Result: Result{TokensPerSecond: 100}}, nil
		}
		o := outcome{Result: Result{Batch: size, SecondsP50: seconds[runs], TokensPerSecond: 10 * float64(runs)}}
		o.fraction = func(l Limits) float64 { return l.Read }
		runs++
		return o, nil
	}
	r, err := b.median(t.Context(), measurement{size: 4, run: run})
	// Limits are looked at before and after each of the three: 2 and 3, 4 and 5, 6 and 7.
	want := Result{Batch: 4, Weights: "int8", Nodes: 2, SecondsP50: 2, TokensPerSecond: 30, FractionOfLimit: 4.5, OfOneProcess: 0.2}
	if err != nil || r != want || runs != 4 || whole != 4 || len(b.limits) != 3 {
		t.Errorf("%+v, %v; want %+v after 4 runs, there were %d and %d", r, err, want, runs, whole)
	}
	runs, b.OneProcess = 0, ""
	if r, err := b.median(t.Context(), measurement{size: 4, run: run}); err != nil || r.OfOneProcess != 0 || whole != 4 {
		t.Errorf("not compared: %+v, %v", r, err)
	}
	failed := errors.New("no router")
	_, err = b.median(t.Context(), measurement{size: 4, run: func(context.Context, *client, int) (outcome, error) {
		return outcome{Result: Result{Name: "decode"}}, failed
	}})
	if !errors.Is(err, failed) || !strings.HasPrefix(err.Error(), "decode 4: ") {
		t.Errorf("a run that fails: %v", err)
	}
}

// The limit's line is what was reached, divided by the part of the limit that it is.
func TestLimitsInCharts(t *testing.T) {
	results := []Result{{Name: "decode", Batch: 8, Context: 64, TokensPerSecond: 100, SecondsP50: 0.01, FractionOfLimit: 0.5}}
	for name, c := range map[string]struct{ x, got, limit float64 }{"batch": {8, 100, 200}, "context": {64, 10, 5}} {
		chart := batchChart(results)
		if name == "context" {
			chart = contextChart(results)
		}
		if len(chart.Lines) != 2 || chart.XMax != c.x || chart.Lines[0].Y[0] != c.got || chart.Lines[1].Y[0] != c.limit {
			t.Errorf("%s: %+v, want %g at %g, limit %g", name, chart, c.got, c.x, c.limit)
		}
	}
}
