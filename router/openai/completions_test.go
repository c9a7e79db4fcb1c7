package openai_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

func TestCompletionShape(t *testing.T) {
	url := start(t, &fake.Engine{Script: "hello"})
	got := call(t, 200, url+"/v1/completions", `{"model":"org/fake","prompt":"Hi","temperature":0}`)
	if id := got["id"].(string); !strings.HasPrefix(id, "cmpl-") || len(id) != len("cmpl-")+32 {
		t.Errorf("id %q", id)
	}
	if got["created"].(float64) < 1.7e9 {
		t.Errorf("created %v", got["created"])
	}
	delete(got, "id")
	delete(got, "created")
	want(t, got, `{"object":"text_completion","model":"org/fake","system_fingerprint":"fp_test",
		"choices":[{"index":0,"text":"hello","logprobs":null,"finish_reason":"stop","stop_reason":null}],
		"usage":{"prompt_tokens":2,"completion_tokens":6,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0}}}`)
}

func TestDefaults(t *testing.T) {
	eng := &fake.Engine{}
	url := start(t, eng)
	got := call(t, 200, url+"/v1/completions", `{"prompt":"Hi"}`)
	want(t, at(t, got, "usage", "completion_tokens"), "16")
	want(t, at(t, got, "choices", 0, "finish_reason"), `"length"`)
	r := eng.Last.Load()
	if r.Temperature != 1 || r.TopP != 1 || r.TopK != 0 || r.MinP != 0 || r.RepetitionPenalty != 1 ||
		r.MaxTokens != 16 || r.MinTokens != 0 || r.Logprobs != -1 || r.PromptLogprobs != -1 || r.IgnoreEOS || r.LogitBias != nil {
		t.Errorf("defaults: %+v", r)
	}
}

// Every field arrives in the engine's request.
func TestFieldsReachTheEngine(t *testing.T) {
	eng := &fake.Engine{}
	url := start(t, eng)
	call(t, 200, url+"/v1/completions", `{"prompt":[1,2,3],"temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,"seed":-1,
		"presence_penalty":1.5,"frequency_penalty":-0.5,"repetition_penalty":1.25,"logit_bias":{"5":-100,"6":2.5},"max_tokens":9,"max_completion_tokens":9,
		"min_tokens":4,"stop_token_ids":[7,8],"ignore_eos":true,"logprobs":3,"echo":true,"user":"u","metadata":{"a":"b"},"store":false,
		"service_tier":"auto","best_of":1,"suffix":null}`)
	got := fmt.Sprintf("%+v", *eng.Last.Load())
	expect := "{Prompt:[1 2 3] Sampling:{Temperature:0.5 TopP:0.9 TopK:7 MinP:0.1 Seed:18446744073709551615 PresencePenalty:1.5 " +
		"FrequencyPenalty:-0.5 RepetitionPenalty:1.25 LogitBias:map[5:-100 6:2.5]} MaxTokens:9 AfterContext:false MinTokens:4 StopTokenIDs:[7 8] " +
		"IgnoreEOS:true Logprobs:3 PromptLogprobs:3}"
	if got != expect {
		t.Errorf("got  %s\nwant %s", got, expect)
	}
}

func TestPromptForms(t *testing.T) {
	url := start(t, &fake.Engine{})
	for _, c := range []struct {
		prompt  string
		choices int
		tokens  string
	}{
		{`"ab"`, 1, "1"},                  // one token of two letters
		{`"a\u00e9\ud83d\ude00"`, 1, "6"}, // a letter, a word, an emoji of four bytes
		{`["a","b","xyz"]`, 3, "5"},
		{`[1,2,3]`, 1, "3"},
		{`[ 1 , 2 ]`, 1, "2"},
		{`[[1,2,3],[4]]`, 2, "4"},
		{`[ [1] ]`, 1, "1"},
		{`"<eos>"`, 1, "1"},
	} {
		t.Run(c.prompt, func(t *testing.T) {
			got := call(t, 200, url+"/v1/completions", `{"max_tokens":2,"prompt":`+c.prompt+`}`)
			if n := len(got["choices"].([]any)); n != c.choices {
				t.Errorf("%d choices, want %d", n, c.choices)
			}
			want(t, at(t, got, "usage", "prompt_tokens"), c.tokens)
			want(t, at(t, got, "usage", "completion_tokens"), fmt.Sprint(2*c.choices))
		})
	}
}

// Choice i of prompt j is at j*n + i; a prompt counts once.
func TestChoiceOrderAndUsage(t *testing.T) {
	eng := &fake.Engine{Cached: 2}
	url := start(t, eng)
	got := call(t, 200, url+"/v1/completions", `{"prompt":["aaa","bb b"],"n":3,"max_tokens":4,"seed":5,"return_token_ids":true}`)
	if n := len(got["choices"].([]any)); n != 6 {
		t.Fatalf("%d choices", n)
	}
	for i := range 6 {
		want(t, at(t, got, "choices", i, "index"), fmt.Sprint(i))
		want(t, at(t, got, "choices", i, "prompt_token_ids"), []string{"[97,97,97]", "[98,98,32,98]"}[i/3])
	}
	want(t, got["usage"], `{"prompt_tokens":7,"completion_tokens":24,"total_tokens":31,"prompt_tokens_details":{"cached_tokens":4}}`)
}

func TestEcho(t *testing.T) {
	url := start(t, &fake.Engine{Script: "xyz"})
	got := call(t, 200, url+"/v1/completions", `{"prompt":"ab é","echo":true,"logprobs":1,"return_token_ids":true,"temperature":0}`)
	want(t, at(t, got, "choices", 0, "text"), `"ab éxyz"`)
	want(t, at(t, got, "choices", 0, "logprobs", "tokens"), `["ab"," ","é","x","y","z","<eos>"]`)
	want(t, at(t, got, "choices", 0, "logprobs", "text_offset"), `[0,2,3,4,5,6,7]`)
	want(t, at(t, got, "choices", 0, "logprobs", "token_logprobs", 0), `null`)
	want(t, at(t, got, "choices", 0, "logprobs", "top_logprobs", 0), `null`)
	if p := at(t, got, "choices", 0, "logprobs", "token_logprobs", 1).(float64); p >= 0 || p < -50 {
		t.Errorf("prompt token's logprob %v", p)
	}
	want(t, at(t, got, "choices", 0, "token_ids"), `[120,121,122,300]`)
	want(t, at(t, got, "choices", 0, "prompt_token_ids"), `[260,32,262]`)
}

// composing reads a text in NFC and puts special tokens around it.
type composing struct{ fake.Tokenizer }

func (c composing) Encode(text string) []int32 { return c.Tokenizer.Encode(norm.NFC.String(text)) }

func (c composing) EncodeSpecial(text string) []int32 {
	return append(append([]int32{fake.EOS}, c.Encode(text)...), fake.EOS)
}

// Offsets are into the text that is returned: the client's own, also where the tokens
// are of another.
func TestEchoOffsets(t *testing.T) {
	url := start(t, &fake.Engine{Script: "xy"}, func(o *openai.Options) { o.Tokenizer = composing{} })
	for _, c := range []struct{ body, text, offsets string }{
		{`"prompt":"e\u0301z","add_special_tokens":false`, "e\u0301zxy", "[0,2,3,4,5]"},
		{`"prompt":"e\u0301z"`, "e\u0301zxy", "[0,0,2,3,3,4,5]"},
		{`"prompt":"ze\u0301\u0323e\u0301","add_special_tokens":false`, "ze\u0301\u0323e\u0301xy", "[0,1,1,1,2,2,4,6,7,8]"}, // ẹ, three bytes, and the accent, two
		{`"prompt":"\u1112\u1161\u11abz","add_special_tokens":false`, "\u1112\u1161\u11abzxy", "[0,0,0,3,4,5,6]"},           // one Hangul of three letters
		{`"prompt":"<eos>z"`, "<eos>zxy", "[0,0,5,6,6,7,8]"},
		{`"prompt":[101,204,129,122]`, "e\u0301zxy", "[0,1,1,2,3,4,5]"},
		{`"prompt":[122,240]`, "z\ufffdxy", "[0,1,2,3,4]"},
		{`"prompt":[240,122]`, "\ufffdzxy", "[0,1,2,3,4]"},
		{`"prompt":[122,240,159,240,159,152,128]`, "z\ufffd😀xy", "[0,1,1,2,2,2,2,3,4,5]"},
	} {
		got := call(t, 200, url+completions, `{"echo":true,"logprobs":1,"temperature":0,`+c.body+`}`)
		want(t, at(t, got, "choices", 0, "text"), fmt.Sprintf("%q", c.text))
		want(t, at(t, got, "choices", 0, "logprobs", "text_offset"), c.offsets)
		if t.Failed() {
			t.Fatalf("%s: %v", c.body, at(t, got, "choices", 0, "logprobs", "tokens"))
		}
	}
}

// Scoring a prompt: nothing is generated.
func TestEchoWithoutTokens(t *testing.T) {
	url := start(t, &fake.Engine{})
	got := call(t, 200, url+"/v1/completions", `{"prompt":[97,98,99],"echo":true,"logprobs":0,"max_tokens":0}`)
	want(t, at(t, got, "choices", 0, "text"), `"abc"`)
	want(t, at(t, got, "choices", 0, "logprobs", "tokens"), `["a","b","c"]`)
	want(t, at(t, got, "choices", 0, "finish_reason"), `"length"`)
	want(t, at(t, got, "usage", "completion_tokens"), `0`)
	if n := len(at(t, got, "choices", 0, "logprobs", "top_logprobs", 1).(object)); n != 1 {
		t.Errorf("logprobs 0: %d entries, want the token itself only", n)
	}
}

// Without logprobs, echo costs no prompt scores.
func TestEchoAloneAsksForNoScores(t *testing.T) {
	eng := &fake.Engine{Script: "x"}
	url := start(t, eng)
	got := call(t, 200, url+"/v1/completions", `{"prompt":"q","echo":true,"temperature":0}`)
	want(t, at(t, got, "choices", 0, "text"), `"qx"`)
	if r := eng.Last.Load(); r.PromptLogprobs >= 0 {
		t.Errorf("PromptLogprobs %d", r.PromptLogprobs)
	}
}

func TestLogprobs(t *testing.T) {
	url := start(t, &fake.Engine{})
	got := call(t, 200, url+"/v1/completions", `{"prompt":"q","logprobs":5,"max_tokens":12,"seed":1}`)
	lp := at(t, got, "choices", 0, "logprobs")
	text := at(t, got, "choices", 0, "text").(string)
	joined := ""
	for i := range 12 {
		token := at(t, lp, "tokens", i).(string)
		want(t, at(t, lp, "text_offset", i), fmt.Sprint(len(joined))) // the text is ASCII
		joined += token
		p, top := at(t, lp, "token_logprobs", i).(float64), at(t, lp, "top_logprobs", i).(object)
		if len(top) < 5 || len(top) > 6 || top[token] != p {
			t.Errorf("token %d: %d entries, its own %v, want %v", i, len(top), top[token], p)
		}
	}
	if joined != text {
		t.Errorf("tokens %q, text %q", joined, text)
	}
}

// A token that is part of a character has its bytes as its name, so that names
// stay unique; the text has the character.
func TestLogprobsOfHalfCharacters(t *testing.T) {
	url := start(t, &fake.Engine{Script: "a😀"})
	got := call(t, 200, url+"/v1/completions", `{"prompt":"q","logprobs":0,"temperature":0,"include_stop_str_in_output":true,"skip_special_tokens":false}`)
	want(t, at(t, got, "choices", 0, "text"), `"a😀<eos>"`)
	want(t, at(t, got, "choices", 0, "logprobs", "tokens"), `["a","bytes:\\xf0","bytes:\\x9f","bytes:\\x98","bytes:\\x80","<eos>"]`)
	want(t, at(t, got, "choices", 0, "logprobs", "text_offset"), `[0,1,1,1,1,2]`)
}

// What is never completed is U+FFFD; the token after it begins behind that.
func TestLogprobsAfterHalfCharacters(t *testing.T) {
	for _, c := range []struct{ prompt, script, text, offsets string }{
		{"[113]", "a\xf0b", "a\ufffdb", "[0,1,2,3]"},
		{"[113]", "a\xf0\x9fb", "a\ufffdb", "[0,1,1,2,3]"},
		{"[113]", "\xf0\xf0\x9f\x98\x80", "\ufffd😀", "[0,1,1,1,1,2]"},
		{"[113]", "a\xf0", "a\ufffd", "[0,1,2]"}, // the end of sequence, which is no part of the text
		{"[113,240]", "bc", "bc", "[0,1,2]"},     // the prompt's
		{"[113,240]", "\x9fbc", "bc", "[0,0,1,2]"},
		{"[113,240]", "\x9f\xf0c", "\ufffdc", "[0,0,1,2]"},
	} {
		url := start(t, &fake.Engine{Script: c.script})
		body := fmt.Sprintf(`{"prompt":%s,"logprobs":0,"temperature":0`, c.prompt)
		got := call(t, 200, url+completions, body+`}`)
		want(t, at(t, got, "choices", 0, "text"), fmt.Sprintf("%q", c.text))
		want(t, at(t, got, "choices", 0, "logprobs", "text_offset"), c.offsets)
		list, _ := events(t, post(t, url+completions, body+`,"stream":true}`))
		if streamed, full := toJSON(t, joinStream(t, list).Choices[0]), toJSON(t, normalise(t, got).Choices[0]); streamed != full {
			t.Errorf("streamed %s\nanswered %s", streamed, full)
		}
		if t.Failed() {
			t.Fatalf("%q after %s", c.script, c.prompt)
		}
	}
}

// An answer cut in the middle of a character ends in U+FFFD, streamed or not.
func TestTextCutInsideACharacter(t *testing.T) {
	url := start(t, &fake.Engine{Script: "a😀"})
	body := `{"prompt":"q","temperature":0,"max_tokens":3`
	got := call(t, 200, url+"/v1/completions", body+`}`)
	want(t, at(t, got, "choices", 0, "text"), `"a\ufffd"`)
	list, _ := events(t, post(t, url+"/v1/completions", body+`,"stream":true}`))
	text := ""
	for _, e := range list {
		text += at(t, e, "choices", 0, "text").(string)
	}
	if text != "a\ufffd" {
		t.Errorf("streamed %q", text)
	}
}

// The same request gives the same answer; a choice or prompt that is added
// changes none of the others; without a seed answers differ.
func TestSeeds(t *testing.T) {
	url := start(t, &fake.Engine{})
	texts := func(body string) (out []string) {
		got := call(t, 200, url+"/v1/completions", `{"max_tokens":20,`+body+`}`)
		for i := range got["choices"].([]any) {
			out = append(out, at(t, got, "choices", i, "text").(string))
		}
		return out
	}
	one := texts(`"prompt":"p","seed":3`)
	three := texts(`"prompt":"p","seed":3,"n":3`)
	both := texts(`"prompt":["p","q"],"seed":3,"n":2`)
	if again := texts(`"prompt":"p","seed":3`); again[0] != one[0] {
		t.Errorf("repeated: %q, then %q", one[0], again[0])
	}
	if three[0] != one[0] || both[0] != one[0] || both[1] != three[1] {
		t.Errorf("choices depend on others: %q %q %q", one, three, both)
	}
	if three[0] == three[1] || three[1] == three[2] {
		t.Errorf("choices are equal: %q", three)
	}
	if free := texts(`"prompt":["p","p"],"n":2`); free[0] == free[1] || free[0] == free[2] || free[1] == free[3] {
		t.Errorf("without a seed choices are equal: %q", free)
	}
}

func TestGreedyIgnoresTheSeed(t *testing.T) {
	url := start(t, &fake.Engine{})
	a := call(t, 200, url+"/v1/completions", `{"prompt":"p","temperature":0,"seed":1}`)
	b := call(t, 200, url+"/v1/completions", `{"prompt":"p","temperature":0,"n":2}`)
	want(t, at(t, b, "choices", 1, "text"), fmt.Sprintf("%q", at(t, a, "choices", 0, "text")))
}
