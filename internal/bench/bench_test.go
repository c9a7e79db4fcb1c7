package bench

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// dial makes the router's own dispatcher.
func dial(doc *placement.Document, hidden int) Dispatcher {
	d := dispatch.New(dispatch.Options{Name: "bench", Layers: doc.Serving.Layers, Experts: doc.Serving.Experts, Hidden: hidden, Log: logr.Discard()})
	d.Apply(doc)
	return d
}

// BenchmarkWire is for profiles of the way to the experts.
func BenchmarkWire(b *testing.B) {
	for _, rows := range []int{1, 32} {
		e, err := newEcho(b.Context(), dial, rows)
		if err != nil {
			b.Fatal(err)
		}
		for name, call := range map[string]func(context.Context) error{"dispatch": e.dispatch, "unary": e.unary, "tcp": e.tcp} {
			b.Run(fmt.Sprintf("%s/rows=%d", name, rows), func(b *testing.B) {
				b.SetBytes(int64(8 * rows * wireHidden))
				for b.Loop() {
					if err := call(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		e.close()
	}
}

// TestEchoOfManyRows: as many rows as the flag takes fit each way's messages.
func TestEchoOfManyRows(t *testing.T) {
	e, err := newEcho(t.Context(), dial, 1024)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	for name, call := range map[string]func(context.Context) error{"dispatch": e.dispatch, "unary": e.unary, "tcp": e.tcp} {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each way brings the bytes back.
func TestEchoes(t *testing.T) {
	e, err := newEcho(t.Context(), dial, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	for i := range e.x {
		e.x[i], e.buf[i] = float32(i), byte(i)
	}
	for range 2 {
		for _, call := range []func(context.Context) error{e.dispatch, e.unary, e.tcp} {
			if err := call(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range e.x {
		if e.out[i] != e.x[i] || e.buf[i] != byte(i) {
			t.Fatalf("element %d: %g, %d", i, e.out[i], e.buf[i])
		}
	}
}

func at(ms ...int) (t []time.Time) {
	for _, m := range ms {
		t = append(t, time.Unix(0, 0).Add(time.Duration(m)*time.Millisecond))
	}
	return t
}

// Tokens count from the moment when all have begun until the first ends.
func TestOverlap(t *testing.T) {
	times := [][]time.Time{at(0, 10, 20, 30), at(15, 25, 35, 45)}
	count, span := overlap(times) // after 15 until 30: 20, 30 and 25
	if count != 3 || span != 15*time.Millisecond {
		t.Errorf("%d tokens in %s, want 3 in 15ms", count, span)
	}
	if count, _ := overlap([][]time.Time{at(0, 10), at(20, 30)}); count != 0 {
		t.Errorf("%d tokens of sequences that do not overlap", count)
	}
	if got := median(gaps(times)); got != 0.01 {
		t.Errorf("median gap %g s, want 0.01", got)
	}
}

// What a run costs is what the counters grew by, less the cost of reading them.
func TestCounters(t *testing.T) {
	mallocs := 1000
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mallocs += 50 // what each look costs
		_, _ = fmt.Fprintf(w, "# HELP x y\ngo_memstats_mallocs_total %d\nolmoe_expert_activations_total{layer=\"0\"} 7\nolmoe_expert_activations_total{layer=\"1\"} 4\nother 1\n", mallocs)
	}))
	defer s.Close()
	c := client{url: s.URL}
	before, err := c.counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mallocs += 320
	after, err := c.counters(t.Context())
	if err != nil || after.activations != 11 {
		t.Fatal(after, err)
	}
	if got := after.mallocs - before.mallocs - after.scrape; got != 320 {
		t.Errorf("%g objects, want 320", got)
	}
}

func TestPlotsOfAReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plots")
	r := &Report{
		Results:  []Result{{Name: "decode", Batch: 1, TokensPerSecond: 10, FractionOfLimit: .5}, {Name: "prefill", Batch: 1}, {Name: "decode", Batch: 32, TokensPerSecond: 100, FractionOfLimit: .4}},
		Contexts: []Result{{Name: "decode", Context: 64, SecondsP50: .1, FractionOfLimit: .5}},
		Nodes:    []Result{{Name: "decode", Nodes: 1, Batch: 1, TokensPerSecond: 9}, {Name: "decode", Nodes: 2, Batch: 8, TokensPerSecond: 20}},
	}
	if err := Plots(dir, r); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"batch": {"measured", "the machine&#39;s limit", "sequences at once"}, "context": {"positions before it"}, "nodes": {"batch 1", "batch 8"},
	} {
		b, err := os.ReadFile(filepath.Join(dir, "performance-"+name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(strings.NewReader(string(b)))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		for _, w := range want {
			if !strings.Contains(string(b), strings.ReplaceAll(w, "&#39;", "'")) {
				t.Errorf("%s does not say %q", name, w)
			}
		}
	}
	if err := Plots(filepath.Join(dir, "none"), &Report{}); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "none")); len(files) != 0 {
		t.Errorf("plots of nothing: %v", files)
	}
}

func TestFractionsUseTheLimitsAroundARun(t *testing.T) {
	l := between(Limits{Read: 10, Int8: 100, F32: 4}, Limits{Read: 20, Int8: 300, F32: 8})
	if l != (Limits{Read: 15, Int8: 200, F32: 6}) {
		t.Errorf("%+v", l)
	}
	if m := medianOf([]Limits{{Read: 1}, {Read: 3}, {Read: 2}}); m.Read != 2 {
		t.Errorf("%+v", m)
	}
}

// Allocations are a median of their own: a reading is off by some thousand objects, and
// the run in the middle by time may be the one that is furthest off.
func TestAllocationsAreTheMedianOfTheRuns(t *testing.T) {
	b := bench{Options: Options{Runs: 3, Limits: func() Limits { return Limits{} }}}
	runs := []Result{{}, {SecondsP50: 1, AllocationsPerToken: -20}, {SecondsP50: 2, AllocationsPerToken: 900}, {SecondsP50: 3, AllocationsPerToken: 110}}
	r, err := b.median(t.Context(), measurement{run: func(context.Context, *client, int) (outcome, error) {
		o := outcome{Result: runs[0], fraction: func(Limits) float64 { return 0 }}
		runs = runs[1:]
		return o, nil
	}})
	if err != nil || r.SecondsP50 != 2 || r.AllocationsPerToken != 110 {
		t.Errorf("%+v, %v: want 110 of the run of 2 s", r, err)
	}
}

// A report without measurements has a list of none, and the machine's limits.
func TestReportOfNothing(t *testing.T) {
	b := bench{Options: Options{Limits: func() Limits { return Limits{Read: 3} }}}
	r, err := b.all(t.Context(), nil)
	if err != nil || r.Results == nil || r.Limits.Read != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}
