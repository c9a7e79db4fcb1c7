package openai

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// JSON has no infinity: an impossible token has vLLM's -9999.
func TestImpossibleTokensAreFinite(t *testing.T) {
	s := New(Options{Model: "m", Vocab: 10, Context: 10})
	none := float32(math.Inf(-1))
	tokens := []token{{TokenLogprob: engine.TokenLogprob{ID: 3, Logprob: none}, top: []engine.TokenLogprob{{ID: 4, Logprob: none}, {ID: 5, Logprob: -0.5}}}}
	for _, v := range []any{s.names.forCompletion(tokens), s.names.forChat(tokens)} {
		if _, err := json.Marshal(v); err != nil {
			t.Error(err)
		}
	}
	lp := s.names.forCompletion(tokens)
	if *lp.TokenLogprobs[0] != leastLogprob || lp.TopLogprobs[0]["token_id:4"] != leastLogprob || lp.TopLogprobs[0]["token_id:5"] != -0.5 {
		t.Errorf("got %v %v", *lp.TokenLogprobs[0], lp.TopLogprobs[0])
	}
}
