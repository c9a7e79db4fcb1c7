package openai_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

func TestChatShape(t *testing.T) {
	url := start(t, &fake.Engine{Script: "hello"})
	got := call(t, 200, url+"/v1/chat/completions", `{"model":"org/fake","messages":[{"role":"user","content":"Hi"}],"temperature":0}`)
	if id := got["id"].(string); !strings.HasPrefix(id, "chatcmpl-") {
		t.Errorf("id %q", id)
	}
	delete(got, "id")
	delete(got, "created")
	want(t, got, `{"object":"chat.completion","model":"org/fake","system_fingerprint":"fp_test",
		"choices":[{"index":0,"message":{"role":"assistant","content":"hello","refusal":null},"logprobs":null,"finish_reason":"stop","stop_reason":null}],
		"usage":{"prompt_tokens":27,"completion_tokens":6,"total_tokens":33,"prompt_tokens_details":{"cached_tokens":0}}}`)
}

// What the template renders is what the engine gets.
func TestChatPrompt(t *testing.T) {
	eng := &fake.Engine{Script: "x"}
	url := start(t, eng)
	for _, c := range []struct{ name, body, want string }{
		{"string", `"messages":[{"role":"user","content":"Hi"}]`, "<user>Hi</user>\n<assistant>"},
		{"parts", `"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`, "<user>a\nb</user>\n<assistant>"},
		{"roles", `"messages":[{"role":"developer","content":"s"},{"role":"user","content":"u","name":"n"},{"role":"assistant","content":"a","refusal":null,"tool_calls":[]},{"role":"system","content":""}]`,
			"<system>s</system>\n<user>u</user>\n<assistant>a</assistant>\n<system></system>\n<assistant>"},
		{"an answer as OpenAI's Python client writes it down", `"messages":[{"content":"a","refusal":null,"role":"assistant","annotations":null,"audio":null,"function_call":null,"tool_calls":null},{"role":"user","content":"u"}]`,
			"<assistant>a</assistant>\n<user>u</user>\n<assistant>"},
		{"as OpenAI and others answer", `"messages":[{"role":"assistant","content":"a","annotations":[],"reasoning_content":null,"parsed":null},{"role":"user","content":[{"type":"text","text":"u","of_tomorrow":null}]}]`,
			"<assistant>a</assistant>\n<user>u</user>\n<assistant>"},
		{"as lm-evaluation-harness and LiteLLM send it", `"messages":[{"role":"user","content":"u","type":"text"},{"role":"assistant","content":"a","type":"message","reasoning_content":"","provider_specific_fields":{"refusal":null}},{"role":"user","content":"v"}]`,
			"<user>u</user>\n<assistant>a</assistant>\n<user>v</user>\n<assistant>"},
		{"no generation prompt", `"add_generation_prompt":false,"messages":[{"role":"user","content":"Hi"}]`, "<user>Hi</user>\n"},
		{"continue", `"continue_final_message":true,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Once up"}]`, "<user>Hi</user>\n<assistant>Once up"},
		{"continue a trimmed message", `"continue_final_message":true,"add_generation_prompt":false,"messages":[{"role":"assistant","content":"Hi"}]`, "<assistant>Hi"},
		{"kwargs", `"chat_template_kwargs":{"prefix":"P:"},"messages":[{"role":"user","content":"Hi"}]`, "P:<user>Hi</user>\n<assistant>"},
		{"add_special_tokens", `"add_special_tokens":true,"messages":[{"role":"user","content":"Hi"}]`, "<user>Hi</user>\n<assistant>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			call(t, 200, url+"/v1/chat/completions", `{"max_tokens":1,`+c.body+`}`)
			if got := (fake.Tokenizer{}).Decode(eng.Last.Load().Prompt, false); got != c.want {
				t.Errorf("prompt %q, want %q", got, c.want)
			}
		})
	}
}

// max_tokens is by default all that fits; both names mean it.
func TestChatMaxTokens(t *testing.T) {
	url := start(t, &fake.Engine{})
	for body, n := range map[string]int{
		``:                           testContext - 26,
		`,"max_tokens":5`:            5,
		`,"max_completion_tokens":6`: 6,
		`,"max_completion_tokens":7,"max_tokens":7`: 7,
		`,"max_tokens":null`:                        testContext - 26,
	} {
		got := call(t, 200, url+"/v1/chat/completions", `{"ignore_eos":true,"messages":[{"role":"user","content":"x"}]`+body+`}`)
		want(t, at(t, got, "usage", "completion_tokens"), fmt.Sprint(n))
		want(t, at(t, got, "choices", 0, "finish_reason"), `"length"`)
	}
}

func TestChatLogprobs(t *testing.T) {
	url := start(t, &fake.Engine{Script: "aé😀"})
	body := `{"messages":[{"role":"user","content":"Hi"}],"temperature":0,"logprobs":true`
	got := call(t, 200, url+"/v1/chat/completions", body+`,"top_logprobs":2}`)
	lp := at(t, got, "choices", 0, "logprobs")
	want(t, at(t, lp, "refusal"), `null`)
	for i, token := range []string{`"a" [97]`, `"é" [195,169]`, `"\ufffd" [240]`, `"\ufffd" [159]`, `"\ufffd" [152]`, `"\ufffd" [128]`, `"<eos>" [60,101,111,115,62]`} {
		name, bytes, _ := strings.Cut(token, " ")
		want(t, at(t, lp, "content", i, "token"), name)
		want(t, at(t, lp, "content", i, "bytes"), bytes)
		top := at(t, lp, "content", i, "top_logprobs").([]any)
		if len(top) != 2 || at(t, top, 0, "logprob") != at(t, lp, "content", i, "logprob") {
			t.Errorf("token %d: top %v", i, top)
		}
	}
	got = call(t, 200, url+"/v1/chat/completions", body+`}`)
	want(t, at(t, got, "choices", 0, "logprobs", "content", 0, "top_logprobs"), `[]`)
}

func TestChatReturnTokenIDs(t *testing.T) {
	url := start(t, &fake.Engine{Script: "ok"})
	got := call(t, 200, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":""}],"temperature":0,"n":2,"return_token_ids":true}`)
	ids, err := json.Marshal((fake.Tokenizer{}).Encode("<user></user>\n<assistant>"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got["prompt_token_ids"], string(ids))
	want(t, at(t, got, "choices", 1, "token_ids"), `[111,107,300]`)
}

func TestChatStreamShape(t *testing.T) {
	url := start(t, &fake.Engine{Script: "hi"})
	list, done := events(t, post(t, url+"/v1/chat/completions",
		`{"messages":[{"role":"user","content":"q"}],"temperature":0,"stream":true,"stream_options":{"include_usage":true},"return_token_ids":true}`))
	if !done || len(list) != 5 {
		t.Fatalf("done %v, %d events: %v", done, len(list), list)
	}
	for i, choices := range []string{
		`[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null,"stop_reason":null}]`,
		`[{"index":0,"delta":{"content":"h"},"logprobs":null,"finish_reason":null,"stop_reason":null,"token_ids":[104]}]`,
		`[{"index":0,"delta":{"content":"i"},"logprobs":null,"finish_reason":null,"stop_reason":null,"token_ids":[105]}]`,
		`[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":[300]}]`,
		`[]`,
	} {
		want(t, list[i]["choices"], choices)
		want(t, list[i]["object"], `"chat.completion.chunk"`)
		if list[i]["id"] != list[0]["id"] || list[i]["created"] != list[0]["created"] {
			t.Errorf("event %d: another id or time", i)
		}
		if _, has := list[i]["prompt_token_ids"]; has != (i == 0) {
			t.Errorf("event %d: prompt_token_ids present: %v", i, has)
		}
		if usage, has := list[i]["usage"]; !has || (usage != nil) != (i == 4) {
			t.Errorf("event %d: usage %v, present %v", i, usage, has)
		}
	}
	want(t, at(t, list[4], "usage", "completion_tokens"), `3`)
}

func TestStreamUsage(t *testing.T) {
	url := start(t, &fake.Engine{Script: "hi"})
	body := `{"prompt":"q","temperature":0,"stream":true`
	list, _ := events(t, post(t, url+"/v1/completions", body+`}`))
	for _, e := range list {
		if _, has := e["usage"]; has {
			t.Errorf("usage without include_usage: %v", e)
		}
	}
	list, _ = events(t, post(t, url+"/v1/completions", body+`,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}`))
	for i, e := range list {
		want(t, at(t, e, "usage", "completion_tokens"), fmt.Sprint(min(i+1, 3)))
	}
}
