package model

import (
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

func TestParseKV(t *testing.T) {
	for _, c := range []struct {
		name    string
		weights checkpoint.Weights
		want    tensor.DType
	}{
		{"auto", checkpoint.AsStored, tensor.F32}, {"", checkpoint.AsStored, tensor.F32},
		{"auto", checkpoint.Int8, tensor.BF16}, {"f32", checkpoint.Int8, tensor.F32},
		{"bf16", checkpoint.AsStored, tensor.BF16},
	} {
		if got, err := ParseKV(c.name, c.weights); err != nil || got != c.want {
			t.Errorf("%q with weights %v is %v, %v; want %v", c.name, c.weights, got, err, c.want)
		}
	}
	if _, err := ParseKV("f16", checkpoint.Int8); err == nil {
		t.Error("f16 is not refused")
	}
}

// What stands beyond a row's own position in a page (positions of the same step, a
// page's former user) is never touched: NaN there would show.
func TestRestOfAPageIsNeverTouched(t *testing.T) {
	r := open(t, write(t, func(o *synth.Options) { o.KVHeads = 2 }), 64)
	ids := prompt(23, r.Config().VocabSize)
	want := logits(t, r, ids, 23)
	pages := newPages(r.Trunk, tensor.F32, 1<<20)
	kv := Cache{Pages: []*Page{pages.Get(), pages.Get()}}
	for _, p := range kv.Pages {
		for i := 0; i < len(p.data); i++ {
			p.data[i] = 0xff
		}
	}
	var rows []Row
	for p, id := range ids {
		rows = append(rows, Row{Token: id, Pos: p, KV: &kv})
	}
	hidden, err := r.Step(t.Context(), rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(want))
	r.Logits(got, hidden[22*r.Config().HiddenSize:], 1)
	if !slices.Equal(got, want) {
		t.Error("other bits in a page that holds NaN")
	}
}

// What storing keys and values as bf16 costs beside weights as stored: the table of
// ADR 0103. It is far outside of float32's tolerances, so it is not the default there.
func TestBF16CacheOnGoldens(t *testing.T) {
	root := goldentest.Path(t)
	for _, name := range []string{"tiny", "tiny-f32", "small"} {
		r := open(t, filepath.Join(root, "checkpoints", name), 64)
		var q quality
		for _, p := range goldenPrompts(t, filepath.Join(root, "goldens", name, "goldens.json")) {
			q.position(logits(t, r, p, 64), logitsWith(t, r, tensor.BF16, p, 64))
		}
		t.Logf("%s: last positions of %d prompts: RMS %.4f, worst %.4f, argmax equal %.1f %%", name, q.positions, q.rms(), q.worst, 100*q.argmax())
		if q.rms() > 0.22 || math.IsNaN(q.rms()) || q.argmax() < 0.85 {
			t.Errorf("%s: outside of the band of bf16", name)
		}
	}
}

// Pages lie outside of Go's heap: the collector would let as much garbage gather.
func TestPagesAreOutsideTheHeap(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 1)
	const size = 64 << 20
	pages := newPages(r.Trunk, tensor.F32, size)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range pages.Total() {
		pages.Get().data[0] = 1
	}
	runtime.ReadMemStats(&after)
	if got := int64(after.TotalAlloc - before.TotalAlloc); got > size/16 {
		t.Errorf("%d bytes of pages allocated %d in Go's heap", size, got)
	}
}
