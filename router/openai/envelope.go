package openai

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// usage is OpenAI's count of tokens.
type usage struct {
	PromptTokens        int `json:"prompt_tokens"`
	CompletionTokens    int `json:"completion_tokens"`
	TotalTokens         int `json:"total_tokens"`
	PromptTokensDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// envelope is what completions and chat, streamed or not, have in common.
type envelope struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	Model       string `json:"model"`
	Fingerprint string `json:"system_fingerprint,omitempty"`
	Choices     any    `json:"choices"`
	// Usage is absent in a plain stream, null in the events before the last of one
	// with include_usage (jsonNull), and *usage otherwise.
	Usage          any     `json:"usage,omitempty"`
	PromptTokenIDs []int32 `json:"prompt_token_ids,omitempty"` // chat with return_token_ids
}

// ending is how a choice ended; both are null in a stream until it does.
type ending struct {
	FinishReason *engine.FinishReason `json:"finish_reason"`
	StopReason   any                  `json:"stop_reason"`
}

func endingOf(d delta) ending {
	if d.finish == "" {
		return ending{}
	}
	return ending{FinishReason: &d.finish, StopReason: d.reason}
}

// generatedIDs are the ids of a delta's generated tokens, for return_token_ids. Those of
// an echoed prompt are given as prompt_token_ids.
func generatedIDs(tokens []token) []int32 {
	out := make([]int32, 0, len(tokens))
	for _, t := range tokens {
		if !t.echoed {
			out = append(out, t.ID)
		}
	}
	return out
}

// writeJSON fails with errClientGone where the client does not take the answer: it is
// to be cut then.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return encodeJSON(w, v)
}

// encodeJSON leaves text readable, as the clients of the API expect.
func encodeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
