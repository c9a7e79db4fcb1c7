package sampling

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

var modes = []struct {
	name string
	p    engine.Sampling
}{
	{"greedy", engine.Sampling{}},
	{"plain", engine.Sampling{Temperature: 1, TopP: 1}},
	{"top_k=50", engine.Sampling{Temperature: 1, TopP: 1, TopK: 50}},
	{"top_p=0.9", engine.Sampling{Temperature: 1, TopP: 0.9}},
	{"top_k+top_p+min_p", engine.Sampling{Temperature: 1, TopP: 0.9, TopK: 100, MinP: 0.01}},
	{"penalties", engine.Sampling{Temperature: 1, TopP: 1, FrequencyPenalty: 0.5, RepetitionPenalty: 1.1}},
}

func BenchmarkNext(b *testing.B) {
	logits := randomLogits(1, realVocab)
	for _, m := range modes {
		b.Run(m.name, func(b *testing.B) {
			s := New(m.p, []int32{1, 2, 3}, realVocab)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(logits, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLogprobs20(b *testing.B) {
	logits := randomLogits(1, realVocab)
	for b.Loop() {
		Logprobs(logits, 7, 20)
	}
}
