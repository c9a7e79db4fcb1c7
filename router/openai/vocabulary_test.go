package openai

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// twins are tokens of which some have equal bytes, as OLMo's runs of spaces.
type twins struct{ noTokenizer }

func (twins) TokenBytes(id int32) []byte {
	return [][]byte{[]byte("a"), []byte("  "), []byte("\n"), []byte("  "), []byte("\xe2\x82"), []byte("\xe2\x82"), []byte("b"), []byte("b"), nil, nil}[id]
}

// Encode makes one token of two spaces, the second, and never one of b.
func (twins) Encode(text string) []int32 {
	if text == "  " {
		return []int32{3}
	}
	return []int32{0, 0}
}

// Tokens with equal bytes have different names; the text is that of the one that it is
// encoded as, else of the first.
func TestTokensOfEqualBytes(t *testing.T) {
	s := New(Options{Model: "m", Vocab: 10, Context: 10, Tokenizer: twins{}})
	for id, want := range []string{"a", "token_id:1", "\n", "  ", `bytes:\xe2\x82`, "token_id:5", "b", "token_id:7", "token_id:8", "token_id:9"} {
		if got := s.names.uniqueText(int32(id)); got != want {
			t.Errorf("token %d is %q, want %q", id, got, want)
		}
	}
	lp := s.names.forCompletion([]token{{TokenLogprob: engine.TokenLogprob{ID: 3, Logprob: -0.5},
		top: []engine.TokenLogprob{{ID: 3, Logprob: -0.5}, {ID: 2, Logprob: -3}, {ID: 1, Logprob: -9}}}})
	if top := lp.TopLogprobs[0]; len(top) != 3 || top[lp.Tokens[0]] != -0.5 || top["token_id:1"] != -9 {
		t.Errorf("token %q, likeliest %v", lp.Tokens[0], top)
	}
}
