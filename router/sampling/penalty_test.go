package sampling

import (
	"math"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// adjusted returns the logits as the draw sees them, after the sampler has
// recorded the tokens of generated.
func adjusted(p engine.Sampling, logits []float32, prompt, generated, banned []int32) []float32 {
	s := New(p, prompt, len(logits))
	for _, id := range generated {
		if s.history != nil {
			s.history.add(id, 1)
		}
	}
	work := append([]float32(nil), logits...)
	s.adjust(work, banned)
	return work
}

func TestAdjust(t *testing.T) {
	logits := []float32{2, -2, 1, 0}
	for _, c := range []struct {
		name              string
		p                 engine.Sampling
		prompt, generated []int32
		banned            []int32
		want              []float32
	}{
		{"nothing", engine.Sampling{}, []int32{0}, []int32{1}, nil, []float32{2, -2, 1, 0}},
		{"presence: once, generated only", engine.Sampling{PresencePenalty: 0.5}, []int32{0}, []int32{1, 1, 2}, nil, []float32{2, -2.5, 0.5, 0}},
		{"presence of 1 and nothing else", engine.Sampling{PresencePenalty: 1}, []int32{0}, []int32{1}, nil, []float32{2, -3, 1, 0}},
		{"presence and frequency spare the prompt, also where repetition counts it", engine.Sampling{RepetitionPenalty: 2, PresencePenalty: 0.5, FrequencyPenalty: 0.25}, []int32{0}, []int32{1}, nil, []float32{1, -4.75, 1, 0}},
		{"frequency: per occurrence", engine.Sampling{FrequencyPenalty: 0.5}, []int32{0}, []int32{1, 1, 2}, nil, []float32{2, -3, 0.5, 0}},
		{"negative frequency raises", engine.Sampling{FrequencyPenalty: -0.5}, nil, []int32{3, 3}, nil, []float32{2, -2, 1, 1}},
		{"repetition: prompt and generated, by sign", engine.Sampling{RepetitionPenalty: 2}, []int32{0}, []int32{1, 1}, nil, []float32{1, -4, 1, 0}},
		{"repetition below 1 rewards", engine.Sampling{RepetitionPenalty: 0.5}, []int32{0, 1}, nil, nil, []float32{4, -1, 1, 0}},
		{"repetition 1 and 0 are off", engine.Sampling{RepetitionPenalty: 1}, []int32{0}, nil, nil, []float32{2, -2, 1, 0}},
		{"repetition before frequency and presence", engine.Sampling{RepetitionPenalty: 2, FrequencyPenalty: 0.25, PresencePenalty: 0.5}, nil, []int32{0, 0}, nil, []float32{0, -2, 1, 0}},
		{"bias before repetition", engine.Sampling{RepetitionPenalty: 2, LogitBias: map[int32]float32{0: -3, 3: 4}}, []int32{0, 3}, nil, nil, []float32{-2, -2, 1, 2}},
		{"a ban beats any bias", engine.Sampling{LogitBias: map[int32]float32{0: 100}}, nil, nil, []int32{0}, []float32{ninf, -2, 1, 0}},
		{"-Inf survives penalties", engine.Sampling{RepetitionPenalty: 2, PresencePenalty: -1}, []int32{0}, []int32{0}, []int32{0}, []float32{ninf, -2, 1, 0}},
		{"ids outside the vocabulary do nothing", engine.Sampling{RepetitionPenalty: 2, LogitBias: map[int32]float32{4: 5, 99: 5, -1: 5}}, []int32{4, 99, -1}, nil, []int32{4}, []float32{2, -2, 1, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, got := range adjusted(c.p, logits, c.prompt, c.generated, c.banned) {
				if got != c.want[i] {
					t.Errorf("token %d: %v, want %v", i, got, c.want[i])
				}
			}
		})
	}
}

// Through Next: what has been drawn is recorded, so greedy with a frequency
// penalty walks down the logits.
func TestPenaltyThroughDraws(t *testing.T) {
	s := New(engine.Sampling{FrequencyPenalty: 1}, nil, 4)
	logits := []float32{3, 2.5, 2.25, 0}
	for i, want := range []int32{0, 1, 2, 0, 1, 2} {
		if got := next(t, s, logits); got != want {
			t.Fatalf("draw %d: %d, want %d", i, got, want)
		}
	}
}

func TestPenaltiesKeepTheOthersExact(t *testing.T) {
	logits := randomLogits(4, 1000)
	got := adjusted(engine.Sampling{RepetitionPenalty: 1.2, FrequencyPenalty: 0.7, PresencePenalty: 0.1}, logits, []int32{5}, []int32{6}, nil)
	for i := range logits {
		touched := i == 5 || i == 6
		if same := math.Float32bits(got[i]) == math.Float32bits(logits[i]); same == touched {
			t.Errorf("token %d: changed = %v, want %v", i, !same, touched)
		}
	}
}

// History is one entry a distinct token: bounded by the context, not by time.
func TestHistoryIsBounded(t *testing.T) {
	s := New(engine.Sampling{PresencePenalty: 0.001}, nil, 8)
	for range 1000 {
		next(t, s, make([]float32, 8))
	}
	if n := len(s.history.seen); n > 8 {
		t.Errorf("%d entries for 8 tokens", n)
	}
}
