package openai_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// The streamed answer, put together, is the answer that is not streamed: text,
// ids, logprobs, ending and usage, for random fields of both endpoints.
func TestStreamEqualsAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	scripts := []string{"", "the stop END", "日本é😀ab abc", "aabcabcab", " the and the and"}
	for trial := range 80 {
		eng := &fake.Engine{Script: scripts[r.IntN(len(scripts))]}
		url := start(t, eng)
		path, body := randomRequest(r)
		full := call(t, 200, url+path, `{`+body+`}`)
		list, done := events(t, post(t, url+path, `{"stream":true,"stream_options":{"include_usage":true},`+body+`}`))
		if !done {
			t.Fatalf("no [DONE] for %s", body)
		}
		got, _ := json.Marshal(joinStream(t, list))
		expect, _ := json.Marshal(normalise(t, full))
		if string(got) != string(expect) {
			t.Fatalf("trial %d, %s {%s}, script %q:\nstreamed %s\nanswered %s", trial, path, body, eng.Script, got, expect)
		}
	}
}

func randomRequest(r *rand.Rand) (path, body string) {
	parts := []string{fmt.Sprintf(`"seed":%d`, r.IntN(100)), fmt.Sprintf(`"n":%d`, 1+r.IntN(3)), fmt.Sprintf(`"max_tokens":%d`, 1+r.IntN(25))}
	maybe := func(s string) {
		if r.IntN(2) == 0 {
			parts = append(parts, s)
		}
	}
	maybe(`"stop":["ab","stop","é😀","c a"]`)
	maybe(`"temperature":0`)
	maybe(`"return_token_ids":true`)
	maybe(`"include_stop_str_in_output":true`)
	maybe(`"skip_special_tokens":false`)
	maybe(`"min_tokens":1`)
	maybe(`"stop_token_ids":[116,263]`)
	if r.IntN(2) == 0 {
		maybe(`"logprobs":true,"top_logprobs":2`)
		return "/v1/chat/completions", strings.Join(parts, ",") + `,"messages":[{"role":"user","content":"q"}]`
	}
	maybe(`"logprobs":2`)
	maybe(`"echo":true`)
	return "/v1/completions", strings.Join(parts, ",") + `,"prompt":["ab é","q"]`
}

// joined is an answer in one form for both endpoints.
type joined struct {
	Choices   map[int]*joinedChoice
	Usage     any
	PromptIDs any
}

type joinedChoice struct {
	Text, Role                string
	Logprobs                  map[string][]any
	IDs                       []any
	PromptIDs, Finish, Reason any
}

func normalise(t *testing.T, full object) joined { return joinStream(t, []object{full}) }

func joinStream(t *testing.T, list []object) joined {
	out := joined{Choices: map[int]*joinedChoice{}}
	for _, e := range list {
		if u := e["usage"]; u != nil {
			out.Usage = u
		}
		if p := e["prompt_token_ids"]; p != nil {
			out.PromptIDs = p
		}
		for _, c := range e["choices"].([]any) {
			i := int(at(t, c, "index").(float64))
			if out.Choices[i] == nil {
				out.Choices[i] = &joinedChoice{Logprobs: map[string][]any{}}
			}
			out.Choices[i].add(t, c.(object))
		}
	}
	return out
}

func (j *joinedChoice) add(t *testing.T, c object) {
	if j.Finish != nil {
		t.Errorf("an event after the finish reason: %v", c)
	}
	content := c
	for _, key := range []string{"message", "delta"} {
		if m, ok := c[key].(object); ok {
			content = m
		}
	}
	for _, key := range []string{"text", "content"} {
		if s, ok := content[key].(string); ok {
			j.Text += s
		}
	}
	if r, ok := content["role"].(string); ok {
		j.Role += r
	}
	if lp, ok := c["logprobs"].(object); ok {
		for key, v := range lp {
			if l, ok := v.([]any); ok {
				j.Logprobs[key] = append(j.Logprobs[key], l...)
			}
		}
	}
	if l, ok := c["token_ids"].([]any); ok {
		j.IDs = append(j.IDs, l...)
	}
	if c["prompt_token_ids"] != nil {
		j.PromptIDs = c["prompt_token_ids"]
	}
	j.Finish, j.Reason = c["finish_reason"], c["stop_reason"]
}
