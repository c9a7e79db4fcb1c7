package checkpoint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A model may be as large as a limit in everything, and no larger.
func TestConfigAtItsLimits(t *testing.T) {
	for name, most := range map[string]int{
		"intermediate_size": maxIntermediate, "vocab_size": maxVocab, "max_position_embeddings": maxPositions,
		"num_experts": maxExperts, "num_hidden_layers": maxAllExperts / 64,
	} {
		for value, ok := range map[int]bool{1: name != "num_experts", most: true, most + 1: false, 0: false} {
			_, err := ParseConfig("config.json", fmt.Appendf(nil, `{"model_type":"olmoe","%s":%d}`, name, value))
			if (err == nil) != ok {
				t.Errorf("%s %d: %v, want it accepted: %v", name, value, err, ok)
			}
		}
	}
}

// An error says what is there and what it should be, in this order.
func TestConfigErrorsTellBothSizes(t *testing.T) {
	for text, want := range map[string]string{
		`"num_attention_heads":3`: "is 3 and does not divide hidden_size 2048",
		`"num_key_value_heads":3`: "is 3 and does not divide num_attention_heads 16",
		`"head_dim":64`:           "is 64, but OLMoE needs hidden_size / num_attention_heads = 128",
		`"num_experts":4`:         "is 8, more than num_experts 4",
	} {
		_, err := ParseConfig("config.json", []byte(`{"model_type":"olmoe",`+text+`}`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// The last id of the vocabulary may end a text, one beyond it never comes.
func TestEndsOfTextAtTheVocabularysEnd(t *testing.T) {
	c, err := ParseConfig("config.json", []byte(`{"model_type":"olmoe","vocab_size":100,"eos_token_id":[0,99,100]}`))
	if err != nil || !slices.Equal(c.EOSTokenIDs, []int32{0, 99}) {
		t.Errorf("%v, %v; want 0 and 99", c.EOSTokenIDs, err)
	}
}
