package sampling

import (
	"math"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// usage is how often one token occurred so far.
type usage struct {
	id    int32
	count int32 // among the generated; 0 = in the prompt only
}

// history holds each seen token once. It is kept only for requests with a
// penalty; its size is bounded by the context length.
type history struct {
	seen []usage
	slot map[int32]int // id -> index in seen
}

func newHistory(p *engine.Sampling, prompt []int32) *history {
	if p.PresencePenalty == 0 && p.FrequencyPenalty == 0 && !repeats(p) {
		return nil
	}
	h := &history{slot: map[int32]int{}}
	if repeats(p) { // the other two look at generated tokens only
		for _, id := range prompt {
			h.add(id, 0)
		}
	}
	return h
}

func repeats(p *engine.Sampling) bool { return p.RepetitionPenalty != 0 && p.RepetitionPenalty != 1 }

func (h *history) add(id, n int32) {
	i, ok := h.slot[id]
	if !ok {
		i = len(h.seen)
		h.slot[id] = i
		h.seen = append(h.seen, usage{id: id})
	}
	h.seen[i].count += n
}

// adjust applies steps 1 to 4 of the package comment to work, in place. Each
// id's result depends on that id alone, so the order of ids does not matter.
func (s *Sampler) adjust(work []float32, banned []int32) {
	for _, id := range banned {
		if int(id) < len(work) && id >= 0 {
			work[id] = float32(math.Inf(-1))
		}
	}
	for id, b := range s.p.LogitBias {
		if int(id) < len(work) && id >= 0 {
			work[id] += b
		}
	}
	if s.history == nil {
		return
	}
	for _, u := range s.history.seen {
		if int(u.id) < len(work) && u.id >= 0 {
			work[u.id] = s.penalise(work[u.id], u.count)
		}
	}
}

func (s *Sampler) penalise(x float32, count int32) float32 {
	if repeats(&s.p) {
		if x > 0 {
			x /= s.p.RepetitionPenalty
		} else {
			x *= s.p.RepetitionPenalty
		}
	}
	if count > 0 {
		x -= float32(s.p.FrequencyPenalty * float32(count))
		x -= s.p.PresencePenalty
	}
	return x
}
