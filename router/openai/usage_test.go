package openai_test

import (
	"fmt"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// A chat's first event, which has only the role, counts no token of its choice, as in
// vLLM; each later one has one more.
func TestChatStreamUsage(t *testing.T) {
	url := start(t, &fake.Engine{Script: "hi"}) // and the end: three tokens
	for _, n := range []int{1, 2} {
		list, _ := events(t, post(t, url+"/v1/chat/completions", fmt.Sprintf(`{"messages":[{"role":"user","content":"q"}],
			"temperature":1,"seed":1,"n":%d,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}`, n)))
		if len(list) != n*4+1 {
			t.Errorf("n %d: %d events, want 4 a choice and the usage", n, len(list))
		}
		sent := 0
		for _, e := range list {
			if choices := at(t, e, "choices").([]any); len(choices) == 1 && at(t, choices, 0, "delta", "role") == nil {
				sent++
			}
			want(t, at(t, e, "usage", "completion_tokens"), fmt.Sprint(sent))
			want(t, at(t, e, "usage", "total_tokens"), fmt.Sprint(sent+int(at(t, e, "usage", "prompt_tokens").(float64))))
		}
	}
}
