package expertnode

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

// One layer's experts at the full model's sizes (16 of them, 200 MB), 8 for each
// row: computed in this process, and through two nodes. The difference is what
// being split costs.
func BenchmarkLayer(b *testing.B) {
	o := synth.Full()
	o.Layers, o.Experts, o.VocabSize, o.EOSTokenID, o.Shards, o.Tokenizer = 1, 16, 512, 511, 0, false
	dir := b.TempDir()
	if err := synth.Write(dir, o); err != nil {
		b.Fatal(err)
	}
	for _, rows := range []int{1, 8, 32, 128} {
		w := &work{rows: rows, x: make([]float32, rows*o.HiddenSize), want: make([]float32, rows*8*o.HiddenSize)}
		rng := rand.New(rand.NewPCG(1, 1))
		for range rows {
			for _, e := range rng.Perm(o.Experts)[:8] {
				w.ids = append(w.ids, int32(e))
			}
		}
		b.Run(fmt.Sprintf("alone/rows=%d", rows), func(b *testing.B) { benchAlone(b, dir, w) })
		b.Run(fmt.Sprintf("nodes/rows=%d", rows), func(b *testing.B) { benchNodes(b, dir, w) })
	}
}

// timed reports the median of f's durations.
func timed(b *testing.B, f func()) {
	var list []time.Duration
	for b.Loop() {
		start := time.Now()
		f()
		list = append(list, time.Since(start))
	}
	slices.Sort(list)
	b.ReportMetric(float64(list[len(list)/2].Microseconds()), "p50-µs")
	b.ReportMetric(0, "ns/op")
}

func benchAlone(b *testing.B, dir string, w *work) {
	ref := newReference(b, dir)
	pool := kernels.NewPool(2)
	defer pool.Close()
	runner := model.NewExpertRunner(ref.ck.Config(), pool)
	hidden := ref.ck.Config().HiddenSize
	var groups []model.ExpertGroup
	for e := range ref.ck.Config().NumExperts {
		rows := 0
		for _, id := range w.ids {
			if int(id) == e {
				rows++
			}
		}
		if rows == 0 {
			continue
		}
		expert, ts, err := model.OpenExpert(ref.ck, 0, e)
		if err == nil {
			err = ref.ck.Load(context.Background(), ts...)
		}
		if err != nil {
			b.Fatal(err)
		}
		groups = append(groups, model.ExpertGroup{Expert: expert, Rows: rows, X: make([]float32, rows*hidden), Out: make([]float32, rows*hidden)})
	}
	timed(b, func() { runner.Run(groups) })
}

func benchNodes(b *testing.B, dir string, w *work) {
	p := newPool(b, dir, 2)
	d := p.router(nil)
	doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rand.New(rand.NewPCG(1, 1)))}
	p.publish(doc)
	d.Apply(doc)
	await(b, "covered", func() bool { return ready(d) })
	timed(b, func() {
		if err := d.Do(context.Background(), 0, w.x, w.rows, w.ids, w.want); err != nil {
			b.Fatal(err)
		}
	})
}
