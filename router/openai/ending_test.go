package openai_test

import (
	"fmt"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// What ends an answer, what its text is then, and how it is reported.
func TestEndings(t *testing.T) {
	for _, c := range []struct{ name, script, fields, text, finish, reason, tokens string }{
		{"end of sequence", "abc d", ``, `"abc d"`, `"stop"`, `null`, "4"},
		{"length", "abcdef", `"max_tokens":2`, `"abcd"`, `"length"`, `null`, "2"},
		{"stop string in one token", "x stop y", `"stop":"stop"`, `"x "`, `"stop"`, `"stop"`, "3"},
		{"stop string over tokens", "x qrs y", `"stop":["qrs"]`, `"x "`, `"stop"`, `"qrs"`, "5"},
		{"stop string begins inside a token", "x stop y", `"stop":["op"]`, `"x st"`, `"stop"`, `"op"`, "3"},
		{"stop string included", "x qrs y", `"stop":["qrs"],"include_stop_str_in_output":true`, `"x qrs"`, `"stop"`, `"qrs"`, "5"},
		{"the first of several", "x qrs y", `"stop":["y","r","zz","s"]`, `"x q"`, `"stop"`, `"r"`, "4"},
		{"almost a stop string", "x qr", `"stop":["qrs"]`, `"x qr"`, `"stop"`, `null`, "5"},
		{"almost, then length", "x qrt", `"stop":["qrs"],"max_tokens":4`, `"x qr"`, `"length"`, `null`, "4"},
		{"stop token", "xyz", `"stop_token_ids":[121]`, `"x"`, `"stop"`, `121`, "2"},
		{"stop token included", "xyz", `"stop_token_ids":[121],"include_stop_str_in_output":true`, `"xy"`, `"stop"`, `121`, "2"},
		{"length, and the first id would stop", "xyz", `"stop_token_ids":[0],"max_tokens":2`, `"xy"`, `"length"`, `null`, "2"},
		{"special tokens kept, the last is none of the text", "xy", `"skip_special_tokens":false`, `"xy"`, `"stop"`, `null`, "3"},
		{"end of sequence ignored", "xy", `"ignore_eos":true,"max_tokens":4`, `"xy"`, `"length"`, `null`, "4"},
		{"ignored and shown", "xy", `"ignore_eos":true,"max_tokens":4,"skip_special_tokens":false`, `"xy<eos><eos>"`, `"length"`, `null`, "4"},
		{"stop string within min_tokens is not searched", "qrxqry", `"stop":["qr"],"min_tokens":3`, `"qrx"`, `"stop"`, `"qr"`, "5"},
		{"nothing at all", "", `"max_tokens":0`, `""`, `"length"`, `null`, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := start(t, &fake.Engine{Script: c.script})
			fields := c.fields
			if fields != "" {
				fields = "," + fields
			}
			got := call(t, 200, url+"/v1/completions", `{"prompt":"q","temperature":0`+fields+`}`)
			want(t, at(t, got, "choices", 0, "text"), c.text)
			want(t, at(t, got, "choices", 0, "finish_reason"), c.finish)
			want(t, at(t, got, "choices", 0, "stop_reason"), c.reason)
			want(t, at(t, got, "usage", "completion_tokens"), c.tokens)
		})
	}
}

// A stop string frees the engine's work although the client stays.
func TestStopStringFreesTheSequence(t *testing.T) {
	eng := &fake.Engine{Script: "x stop and much more text that nobody needs"}
	url := start(t, eng)
	got := call(t, 200, url+"/v1/completions", `{"prompt":"q","temperature":0,"stop":"stop","max_tokens":100,"n":4}`)
	for i := range 4 {
		want(t, at(t, got, "choices", i, "text"), `"x "`)
	}
	waitFor(t, "the sequences to be freed", func() bool { return eng.Active.Load() == 0 })
}

// min_tokens bans the end of sequence and stop tokens until then.
func TestMinTokens(t *testing.T) {
	url := start(t, &fake.Engine{Script: "x"})
	for n := range 6 {
		got := call(t, 200, url+"/v1/completions", fmt.Sprintf(`{"prompt":"q","temperature":0,"min_tokens":%d}`, n))
		want(t, at(t, got, "usage", "completion_tokens"), fmt.Sprint(max(n+1, 2)))
	}
}

func TestPromptFillsTheContext(t *testing.T) {
	url := start(t, &fake.Engine{})
	prompt := fmt.Sprintf("%0*d", testContext-3, 0) // a token a character
	got := call(t, 200, url+"/v1/completions", fmt.Sprintf(`{"prompt":%q}`, prompt))
	want(t, got["usage"], fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":3,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":0}}`, testContext-3, testContext))
	call(t, 200, url+"/v1/completions", fmt.Sprintf(`{"prompt":"%s000","max_tokens":0,"echo":true}`, prompt))
}
