package openai

import (
	"strings"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// leastLogprob stands for -Inf, which JSON cannot hold (vLLM's number). NaN stays NaN,
// which fails: the engine lets none out, and no number may stand for it.
const leastLogprob = -9999

func finite(x float32) float64 { return float64(max(x, leastLogprob)) }

// completionLogprobs is the older form, of /v1/completions: four lists of one
// entry a token.
type completionLogprobs struct {
	TextOffset    []int                `json:"text_offset"`
	TokenLogprobs []*float64           `json:"token_logprobs"`
	Tokens        []string             `json:"tokens"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
}

func (n tokenNames) forCompletion(tokens []token) *completionLogprobs {
	out := &completionLogprobs{TextOffset: []int{}, TokenLogprobs: []*float64{}, Tokens: []string{}, TopLogprobs: []map[string]float64{}}
	for _, t := range tokens {
		out.TextOffset = append(out.TextOffset, t.offset)
		out.Tokens = append(out.Tokens, n.uniqueText(t.ID))
		if t.first { // nothing comes before it, so it has no probability
			out.TokenLogprobs = append(out.TokenLogprobs, nil)
			out.TopLogprobs = append(out.TopLogprobs, nil)
			continue
		}
		p := finite(t.Logprob)
		top := map[string]float64{n.uniqueText(t.ID): p}
		for _, e := range t.top {
			if e.ID != t.ID {
				top[n.uniqueText(e.ID)] = finite(e.Logprob)
			}
		}
		out.TokenLogprobs = append(out.TokenLogprobs, &p)
		out.TopLogprobs = append(out.TopLogprobs, top)
	}
	return out
}

// chatLogprob is one token in the form of /v1/chat/completions.
type chatLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"` // ints: []byte would become base64
}

type chatTokenLogprob struct {
	chatLogprob
	TopLogprobs []chatLogprob `json:"top_logprobs"`
}

// chatLogprobs is the form of /v1/chat/completions: one list of one entry a token.
type chatLogprobs struct {
	Content []chatTokenLogprob `json:"content"`
	Refusal *string            `json:"refusal"`
}

func (n tokenNames) forChat(tokens []token) *chatLogprobs {
	out := &chatLogprobs{Content: []chatTokenLogprob{}}
	for _, t := range tokens {
		entry := chatTokenLogprob{chatLogprob: n.chatEntry(t.TokenLogprob), TopLogprobs: []chatLogprob{}}
		for _, e := range t.top {
			entry.TopLogprobs = append(entry.TopLogprobs, n.chatEntry(e))
		}
		out.Content = append(out.Content, entry)
	}
	return out
}

func (n tokenNames) chatEntry(t engine.TokenLogprob) chatLogprob {
	b := n.tokenizer.TokenBytes(t.ID)
	out := chatLogprob{Token: strings.ToValidUTF8(string(b), "\uFFFD"), Logprob: finite(t.Logprob), Bytes: make([]int, len(b))}
	for i, c := range b {
		out.Bytes[i] = int(c)
	}
	return out
}
