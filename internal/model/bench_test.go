package model

import (
	"fmt"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// BenchmarkAttend is attention over the cache alone (no projections) in one layer
// of the full-size model's shape, on two cores: one decoding sequence, and a chunk
// of 256 that ends a prompt. What it reads and computes for one position of the
// context is in GB/s and GFLOP/s.
func BenchmarkAttend(b *testing.B) {
	for _, dtype := range []tensor.DType{tensor.BF16, tensor.F32} {
		for _, rows := range []int{1, 256} {
			for _, context := range []int{512, 1024, 2048, 4096} {
				b.Run(fmt.Sprintf("%v/rows=%d/context=%d", dtype, rows, context), func(b *testing.B) {
					benchmarkAttend(b, dtype, rows, context)
				})
			}
		}
	}
}

func benchmarkAttend(b *testing.B, dtype tensor.DType, n, context int) {
	cfg := &checkpoint.Config{HiddenSize: 2048, NumLayers: 1, NumHeads: 16, NumKVHeads: 16, HeadDim: 128,
		NumExperts: 64, NumExpertsPerTok: 8, MaxPositionEmbeddings: 4096}
	pool := kernels.NewPool(2)
	defer pool.Close()
	trunk := &Trunk{cfg: cfg, layers: make([]layer, 1)}
	r := NewRunner(trunk, pool, nil, n)
	pages := newPages(trunk, dtype, 1<<30)
	var kv Cache
	for range PagesFor(context) {
		p := pages.Get()
		for i := range p.data {
			p.data[i] = byte(i * 7 % 61) // small numbers
		}
		kv.Pages = append(kv.Pages, p)
	}
	var rows []Row
	for i := range n {
		rows = append(rows, Row{Pos: context - n + i, KV: &kv})
	}
	r.rows = rows
	all := &r.cut(rows)[0]
	positions := n*context - n*(n-1)/2
	b.ResetTimer()
	for range b.N {
		r.lanes(all, len(all.tiles)*cfg.NumHeads, (*Runner).attend)
	}
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(float64(4*positions*r.qDim())/seconds/1e9, "GFLOP/s")
	b.ReportMetric(float64(context*KVBytes(cfg, dtype))/seconds/1e9, "GB/s")
}
