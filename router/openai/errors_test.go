package openai_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

const (
	completions = "/v1/completions"
	chat        = "/v1/chat/completions"
)

// wantError checks an OpenAI error object: the parameter (or null) and a part
// of the message.
func wantError(t *testing.T, body object, param, code, part string) {
	t.Helper()
	e, ok := body["error"].(object)
	if !ok {
		t.Fatalf("no error object: %v", body)
	}
	if len(e) != 4 {
		t.Errorf("members %v, want message, type, param and code", e)
	}
	if p, _ := e["param"].(string); p != param {
		t.Errorf("param %v, want %q: %v", e["param"], param, e["message"])
	}
	if c, _ := e["code"].(string); c != code {
		t.Errorf("code %v, want %q: %v", e["code"], code, e["message"])
	}
	if m, _ := e["message"].(string); !strings.Contains(m, part) || !strings.HasSuffix(m, ".") {
		t.Errorf("message %q, want a sentence with %q", m, part)
	}
}

// What the client did wrong: a 400 that names the field.
func TestBadRequests(t *testing.T) {
	eng := &fake.Engine{}
	url := start(t, eng)
	msg := `"messages":[{"role":"user","content":"x"}]`
	for _, c := range []struct{ path, body, param, code, part string }{
		// The body as a whole.
		{completions, ``, "", "", "is empty"},
		{completions, `  `, "", "", "is empty"},
		{completions, `{`, "", "", "not valid JSON"},
		{completions, `nonsense`, "", "", "not valid JSON"},
		{completions, `[]`, "", "", "must be a JSON object"},
		{completions, `null`, "", "", "must be a JSON object"},
		{completions, `{"prompt":"a"} x`, "", "", "not valid JSON"},
		{completions, `{"prompt":"a"}{}`, "", "", "not valid JSON"},
		{completions, `{"prompt":"a","prompt":"b"}`, "", "", `"prompt" is given twice`},
		{completions, `{"prompt":"a","logit_bias":{"1":1,"\u0031":2}}`, "", "", `"1" is given twice`},
		{completions, "{\"prompt\":\"\xff\"}", "", "", "UTF-8"},
		{completions, `{"prompt":"\ud800"}`, "", "", "surrogate"},
		{completions, `{"prompt":"\udc00\ud800"}`, "", "", "surrogate"},
		{completions, `{"prompt":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}`, "", "", "nested deeper"},
		{completions, `{"prompt":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, "", "", "depth"},
		{chat, `{"messages":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40) + `}`, "", "", "nested deeper"},
		// Fields that nobody knows or supports.
		{completions, `{"prompt":"a","no_such":1}`, "no_such", "unknown_parameter", "Unrecognized"},
		{completions, `{"prompt":"a","Prompt":"b"}`, "Prompt", "unknown_parameter", "Unrecognized"},
		{completions, `{"prompt":"a","messages":[]}`, "messages", "unknown_parameter", "Unrecognized"},
		{completions, `{"prompt":"a","suffix":"b"}`, "suffix", "", "not supported"},
		{completions, `{"prompt":"a","best_of":2}`, "best_of", "", "equal n"},
		{completions, `{"prompt":"a","use_beam_search":true}`, "use_beam_search", "", "not supported"},
		{completions, `{"prompt":"a","prompt_logprobs":1}`, "prompt_logprobs", "", "not supported"},
		{completions, `{"prompt":"a","store":true}`, "store", "", "not supported"},
		{chat, `{` + msg + `,"tools":[{"type":"function"}]}`, "tools", "", "not supported"},
		{chat, `{` + msg + `,"tool_choice":"required"}`, "tool_choice", "", "not supported"},
		{chat, `{` + msg + `,"response_format":{"type":"json_object"}}`, "response_format", "", "not supported"},
		{chat, `{` + msg + `,"modalities":["audio"]}`, "modalities", "", "not supported"},
		{chat, `{` + msg + `,"audio":{}}`, "audio", "", "not supported"},
		{chat, `{` + msg + `,"service_tier":"flex"}`, "service_tier", "", "not supported"},
		{chat, `{` + msg + `,"chat_template":"x"}`, "chat_template", "", "not supported"},
		{chat, `{` + msg + `,"echo":true}`, "echo", "", "not supported"},
		{chat, `{` + msg + `,"prompt":"a"}`, "prompt", "unknown_parameter", "Unrecognized"},
		// Types.
		{completions, `{"prompt":"a","temperature":"1"}`, "temperature", "", "must be a number"},
		{completions, `{"prompt":"a","temperature":true}`, "temperature", "", "must be a number"},
		{completions, `{"prompt":"a","max_tokens":1.5}`, "max_tokens", "", "must be an integer"},
		{completions, `{"prompt":"a","max_tokens":"5"}`, "max_tokens", "", "must be an integer"},
		{completions, `{"prompt":"a","n":1e2}`, "n", "", "must be an integer"},
		{completions, `{"prompt":"a","stream":1}`, "stream", "", "true or false"},
		{completions, `{"prompt":"a","echo":"yes"}`, "echo", "", "true or false"},
		{completions, `{"prompt":"a","logprobs":true}`, "logprobs", "", "must be an integer"},
		{completions, `{"prompt":"a","model":5}`, "model", "", "must be a string"},
		{completions, `{"prompt":"a","stop":5}`, "stop", "", "list of strings"},
		{completions, `{"prompt":"a","stop":["a",5]}`, "stop", "", "list of strings"},
		{completions, `{"prompt":"a","stop":[null]}`, "stop", "", "list of strings"},
		{completions, `{"prompt":"a","logit_bias":[1]}`, "logit_bias", "", "must be an object"},
		{completions, `{"prompt":"a","stop_token_ids":5}`, "stop_token_ids", "", "list of token ids"},
		{completions, `{"prompt":"a","stream_options":true,"stream":true}`, "stream_options", "", "must be an object"},
		{chat, `{` + msg + `,"logprobs":1}`, "logprobs", "", "true or false"},
		// Ranges.
		{completions, `{"prompt":"a","temperature":-0.1}`, "temperature", "", "between 0 and 2"},
		{completions, `{"prompt":"a","temperature":2.1}`, "temperature", "", "between 0 and 2"},
		{completions, `{"prompt":"a","temperature":1e999}`, "temperature", "", "between 0 and 2"},
		{completions, `{"prompt":"a","top_p":0}`, "top_p", "", "above 0"},
		{completions, `{"prompt":"a","top_p":1.01}`, "top_p", "", "between 0 and 1"},
		{completions, `{"prompt":"a","top_p":1e-60}`, "top_p", "", "above 0"},
		{completions, `{"prompt":"a","top_k":-2}`, "top_k", "", "between -1"},
		{completions, `{"prompt":"a","min_p":-0.5}`, "min_p", "", "between 0 and 1"},
		{completions, `{"prompt":"a","presence_penalty":3}`, "presence_penalty", "", "between -2 and 2"},
		{completions, `{"prompt":"a","frequency_penalty":-3}`, "frequency_penalty", "", "between -2 and 2"},
		{completions, `{"prompt":"a","repetition_penalty":0}`, "repetition_penalty", "", "between 0.01 and 100"},
		{completions, `{"prompt":"a","n":0}`, "n", "", "between 1 and 128"},
		{completions, `{"prompt":"a","n":1000000000000}`, "n", "", "between 1 and 128"},
		{completions, `{"prompt":"a","n":99999999999999999999999}`, "n", "", "between 1 and 128"},
		{completions, `{"prompt":["a","b"],"n":65}`, "n", "", "130"},
		{completions, `{"prompt":"a","seed":9223372036854775808}`, "seed", "", "between"},
		{completions, `{"prompt":"a","max_tokens":-1}`, "max_tokens", "", "between 0"},
		{completions, `{"prompt":"a","logprobs":21}`, "logprobs", "", "between 0 and 20"},
		{completions, `{"prompt":"a","logprobs":-1}`, "logprobs", "", "between 0 and 20"},
		{completions, `{"prompt":"a","min_tokens":-1}`, "min_tokens", "", "between 0"},
		{completions, `{"prompt":"a","min_tokens":17}`, "min_tokens", "", "more than the 16"},
		{completions, `{"prompt":"a","stop":""}`, "stop", "", "0 bytes"},
		{completions, `{"prompt":"a","stop":"` + strings.Repeat("x", 1025) + `"}`, "stop", "", "1025 bytes"},
		{completions, `{"prompt":"a","stop":["1"` + strings.Repeat(`,"1"`, 16) + `]}`, "stop", "", "17 strings"},
		{completions, `{"prompt":"a","stop_token_ids":[1` + strings.Repeat(`,1`, 256) + `]}`, "stop_token_ids", "", "257 ids"},
		{completions, `{"prompt":"a","stop_token_ids":[320]}`, "stop_token_ids", "", "between 0 and 319"},
		{completions, `{"prompt":"a","logit_bias":{"x":1}}`, "logit_bias", "", `"x"`},
		{completions, `{"prompt":"a","logit_bias":{"320":1}}`, "logit_bias", "", "between 0 and 319"},
		{completions, `{"prompt":"a","logit_bias":{"5":1,"05":2}}`, "logit_bias", "", `two keys for token 5, the second is "5"`},
		{completions, `{"prompt":"a","logit_bias":{"-1":1}}`, "logit_bias", "", "between 0 and 319"},
		{completions, `{"prompt":"a","logit_bias":{"1":101}}`, "logit_bias.1", "", "between -100 and 100"},
		{completions, `{"prompt":"a","logit_bias":{"1":"x"}}`, "logit_bias.1", "", "must be a number"},
		{completions, `{"prompt":"a","logit_bias":` + manyBiases(1025) + `}`, "logit_bias", "", "1025 entries"},
		{completions, `{"prompt":"a","stream_options":{"include_usage":true}}`, "stream_options", "", "stream set to true"},
		{completions, `{"prompt":"a","stream":true,"stream_options":{"usage":true}}`, "stream_options.usage", "unknown_parameter", "Unrecognized"},
		{chat, `{` + msg + `,"max_tokens":0}`, "max_tokens", "", "between 1"},
		{chat, `{` + msg + `,"max_tokens":5,"max_completion_tokens":6}`, "max_tokens", "", "differs"},
		{chat, `{` + msg + `,"top_logprobs":2}`, "top_logprobs", "", "logprobs set to true"},
		{chat, `{` + msg + `,"logprobs":true,"top_logprobs":21}`, "top_logprobs", "", "between 0 and 20"},
		// Prompts.
		{completions, `{}`, "prompt", "", "is required"},
		{completions, `{"prompt":null}`, "prompt", "", "is required"},
		{completions, `{"prompt":""}`, "prompt", "", "is empty"},
		{completions, `{"prompt":[]}`, "prompt", "", "empty list"},
		{completions, `{"prompt":[[]]}`, "prompt", "", "is empty"},
		{completions, `{"prompt":["a",""]}`, "prompt", "", "number 1 is empty"},
		{completions, `{"prompt":5}`, "prompt", "", "must be a string"},
		{completions, `{"prompt":{}}`, "prompt", "", "must be a string"},
		{completions, `{"prompt":[null]}`, "prompt", "", "must be a string"},
		{completions, `{"prompt":["a",5]}`, "prompt", "", "strings only"},
		{completions, `{"prompt":["a",null]}`, "prompt", "", "strings only"},
		{completions, `{"prompt":[5,"a"]}`, "prompt", "", "index 1"},
		{completions, `{"prompt":[5,null]}`, "prompt", "", "index 1"},
		{completions, `{"prompt":[1.5]}`, "prompt", "", "1.5 at index 0"},
		{completions, `{"prompt":[1,320]}`, "prompt", "", "320 at index 1"},
		{completions, `{"prompt":[-1]}`, "prompt", "", "-1 at index 0"},
		{completions, `{"prompt":[4294967296]}`, "prompt", "", "4294967296 at index 0"},
		{completions, `{"prompt":[[1],["a"]]}`, "prompt", "", `number 1 has "a"`},
		{completions, `{"prompt":[[1],5]}`, "prompt", "", "number 1 must be a list"},
		{completions, `{"prompt":[[[1]]]}`, "prompt", "", "number 0 has [1]"},
		{completions, `{"prompt":["a"` + strings.Repeat(`,"a"`, 128) + `]}`, "prompt", "", "129 prompts"},
		{completions, `{"prompt":[[1]` + strings.Repeat(`,[1]`, 128) + `]}`, "prompt", "", "129 prompts"},
		{completions, `{"prompt":"` + strings.Repeat("x", testContext) + `"}`, "prompt", "context_length_exceeded", "128 tokens"},
		{completions, `{"prompt":["a","` + strings.Repeat("x", testContext+1) + `"]}`, "prompt", "context_length_exceeded", "number 1 has 129"},
		{completions, `{"prompt":"a","max_tokens":128}`, "max_tokens", "context_length_exceeded", "128 are asked for"},
		{chat, `{` + msg + `,"max_completion_tokens":128}`, "max_completion_tokens", "context_length_exceeded", "128 are asked for"},
		{completions, `{"prompt":"` + strings.Repeat("x", 641) + `"}`, "prompt", "context_length_exceeded", "641 bytes"}, // tokens have at most 5
		{completions, `{"prompt":["a","` + strings.Repeat("é", 1000) + `"]}`, "prompt", "context_length_exceeded", "number 1 has 2000 bytes"},
		{completions, `{"prompt":"` + strings.Repeat("e\u0301", 600) + `"}`, "prompt", "context_length_exceeded", "has 1800 tokens"}, // may compose
		{chat, `{"messages":[{"role":"user","content":"` + strings.Repeat("x", 1000) + `"}]}`, "messages", "context_length_exceeded", "bytes"},
		{chat, `{"messages":[{"role":"user","content":"` + strings.Repeat("x", 200) + `"}]}`, "messages", "context_length_exceeded", "tokens"},
		// Messages.
		{chat, `{}`, "messages", "", "is required"},
		{chat, `{"messages":[]}`, "messages", "", "at least one"},
		{chat, `{"messages":"x"}`, "messages", "", "must be a list"},
		{chat, `{"messages":["x"]}`, "messages[0]", "", "must be an object"},
		{chat, `{"messages":[{"role":"user"}]}`, "messages[0].content", "", "is required"},
		{chat, `{"messages":[{"role":"user","content":null}]}`, "messages[0].content", "", "is required"},
		{chat, `{"messages":[{"role":"user","content":5}]}`, "messages[0].content", "", "must be a string"},
		{chat, `{"messages":[{"role":"user","content":[]}]}`, "messages[0].content", "", "must be a string"},
		{chat, `{"messages":[{"role":"user","content":["x"]}]}`, "messages[0].content[0]", "", "must be an object"},
		{chat, `{"messages":[{"role":"user","content":[{"type":"text"}]}]}`, "messages[0].content[0].text", "", "is required"},
		{chat, `{"messages":[{"role":"user","content":[{"type":"text","text":null}]}]}`, "messages[0].content[0].text", "", "is required"},
		{chat, `{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}}]}]}`, "messages[0].content[1].type", "", "only text"},
		{chat, `{"messages":[{"content":"x"}]}`, "messages[0].role", "", "supported are"},
		{chat, `{"messages":[{"role":"user","content":"x"},{"role":"tool","content":"x"}]}`, "messages[1].role", "", `"tool"`},
		{chat, `{"messages":[{"role":"assistant","content":"x","tool_calls":[{}]}]}`, "messages[0].tool_calls", "", "not supported"},
		{chat, `{"messages":[{"role":"assistant","content":"x","annotations":[{}]}]}`, "messages[0].annotations", "", "not supported"},
		{chat, `{"messages":[{"role":"assistant","content":"x","reasoning_content":"hm"}]}`, "messages[0].reasoning_content", "", "not supported"},
		{chat, `{"messages":[{"role":"assistant","content":"x","provider_specific_fields":{"refusal":"no"}}]}`, "messages[0].provider_specific_fields", "", "not supported"},
		{chat, `{"messages":[{"role":"user","content":"x","type":"function_call"}]}`, "messages[0].type", "", "only text"},
		{chat, `{"messages":[{"role":"user","content":"x","other":null,"weight":1}]}`, "messages[0].weight", "unknown_parameter", "Unrecognized"},
		{chat, `{"messages":[{"role":"user","content":"unrenderable"}]}`, "messages", "", "raised by the template"},
		{chat, `{` + msg + `,"continue_final_message":true,"add_generation_prompt":true}`, "continue_final_message", "", "add_generation_prompt"},
		{chat, `{` + msg + `,"chat_template_kwargs":[]}`, "chat_template_kwargs", "", "must be an object"},
		{chat, `{` + msg + `,"chat_template_kwargs":{"messages":1}}`, "chat_template_kwargs", "", "must not hold messages"},
		{chat, `{"messages":[` + strings.Repeat(`{"role":"user","content":"x"},`, 2048) + `{"role":"user","content":"x"}]}`, "messages", "", "2049 messages"},
		{"/tokenize", `{}`, "prompt", "", "is required"},
		{"/tokenize", `{"prompt":null}`, "prompt", "", "is required"},
		{"/tokenize", `{"prompt":null,"messages":null}`, "prompt", "", "is required"},
		{"/tokenize", `{"prompt":"a","messages":[{"role":"user","content":"x"}]}`, "messages", "", "give one of them"},
		{"/tokenize", `{"prompt":[1]}`, "prompt", "", "must be a string"},
		{"/tokenize", `{"prompt":"a","x":1}`, "x", "unknown_parameter", "Unrecognized"},
		{"/detokenize", `{}`, "tokens", "", "is required"},
		{"/detokenize", `{"tokens":"a"}`, "tokens", "", "list of token ids"},
		{"/detokenize", `{"tokens":[1,320]}`, "tokens", "", "320 at index 1"},
	} {
		name := c.path + " " + c.body[:min(len(c.body), 90)]
		t.Run(name, func(t *testing.T) {
			got := call(t, 400, url+c.path, c.body)
			wantError(t, got, c.param, c.code, c.part)
			want(t, at(t, got, "error", "type"), `"invalid_request_error"`)
		})
	}
	if n := eng.Submitted.Load(); n != 0 {
		t.Errorf("%d bad requests reached the engine", n)
	}
}

func manyBiases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"%d":1`, i)
	}
	return "{" + b.String()[1:] + "}"
}

// Values that ask for what the server does anyway pass.
func TestHarmlessFields(t *testing.T) {
	url := start(t, &fake.Engine{Script: "x"})
	for _, field := range []string{
		`"user":"u"`, `"metadata":{"k":"v"}`, `"store":false`, `"store":null`, `"service_tier":"auto"`, `"service_tier":"default"`,
		`"tools":[]`, `"tools":null`, `"tool_choice":"none"`, `"tool_choice":"auto"`, `"parallel_tool_calls":true`,
		`"response_format":{ "type" : "text" }`, `"modalities":["text"]`, `"length_penalty":1.0`, `"best_of":1`,
		`"logit_bias":{}`, `"logit_bias":null`, `"stop":null`, `"stop":[]`, `"stop_token_ids":[]`, `"top_k":-1`, `"temperature":null`,
		`"prompt_cache_key":"k"`, `"safety_identifier":"s"`, `"stream":false`, `"seed":null`, `"n":null`, `"top_logprobs":0`,
		`"of_tomorrow":null`, `"chat_template_kwargs":null`,
	} {
		call(t, 200, url+chat, `{"messages":[{"role":"user","content":"x"}],"max_tokens":1,`+field+`}`)
	}
}

func TestUnknownModel(t *testing.T) {
	url := start(t, &fake.Engine{})
	for _, path := range []string{completions, chat, "/tokenize", "/detokenize"} {
		got := call(t, 404, url+path, `{"model":"gpt-4o","prompt":"a","tokens":[1],"messages":[{"role":"user","content":"x"}]}`)
		wantError(t, got, "model", "model_not_found", `"gpt-4o" does not exist; this server has "org/fake"`)
	}
}
