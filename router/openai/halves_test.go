package openai_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// A client goes on with the ids of a former answer, which may have ended within a
// character. Wherever that is, prompt and answer together are the text of all ids, and
// the answer alone begins with the whole character.
func TestPromptOfIDsIsCutAnywhere(t *testing.T) {
	for _, text := range []string{"x😀y", "aé日ab😀", "😀€"} {
		for cut := 1; cut < len(text); cut++ {
			url := start(t, &fake.Engine{Script: text[cut:]})
			request := fmt.Sprintf(`{"prompt":%s,"temperature":0,"logprobs":0`, byteIDs(text[:cut]))
			got := call(t, 200, url+completions, request+`,"echo":true}`)
			want(t, at(t, got, "choices", 0, "text"), fmt.Sprintf("%q", text))
			want(t, at(t, got, "choices", 0, "logprobs", "text_offset"), charsBefore(text, cut))

			from := cut
			for !utf8.RuneStart(text[from]) {
				from--
			}
			alone := call(t, 200, url+completions, request+`}`)
			want(t, at(t, alone, "choices", 0, "text"), fmt.Sprintf("%q", text[from:]))
			want(t, at(t, alone, "choices", 0, "logprobs", "text_offset", 0), "0")
			list, _ := events(t, post(t, url+completions, request+`,"echo":true,"stream":true}`))
			if streamed, full := toJSON(t, joinStream(t, list).Choices[0]), toJSON(t, normalise(t, got).Choices[0]); streamed != full {
				t.Errorf("streamed %s\nanswered %s", streamed, full)
			}
			if t.Failed() {
				t.Fatalf("%q, cut at byte %d", text, cut)
			}
		}
	}
}

// byteIDs are the fake tokenizer's ids of single bytes.
func byteIDs(text string) string {
	ids := make([]int, len(text))
	for i := range ids {
		ids[i] = int(text[i])
	}
	return strings.ReplaceAll(fmt.Sprint(ids), " ", ",")
}

// charsBefore is for each token of text how many characters precede the one that it
// begins in: bytes up to cut, then the fake tokenizer's, and the end of sequence.
func charsBefore(text string, cut int) string {
	var list []int
	chars, next := -1, 0
	generated := (fake.Tokenizer{}).Encode(text[cut:])
	for i := range len(text) {
		if utf8.RuneStart(text[i]) {
			chars++
		}
		if i < next {
			continue
		}
		if next = i + 1; i >= cut {
			next, generated = i+len((fake.Tokenizer{}).TokenBytes(generated[0])), generated[1:]
		}
		list = append(list, chars)
	}
	return strings.ReplaceAll(fmt.Sprint(append(list, chars+1)), " ", ",")
}

// What the answer does not complete is no character of the answer, but of the echoed
// prompt; and a stop string is found over the border.
func TestHalfCharacterOfThePrompt(t *testing.T) {
	for _, c := range []struct{ name, prompt, script, fields, echoed, alone string }{
		{"never completed", "[120,240]", "yz", ``, "x\ufffdyz", "yz"},
		{"never completed, as U+FFFD begins", "[120,239]", "yz", ``, "x\ufffdyz", "yz"},
		{"never completed, as U+FFFD goes on", "[120,239,191]", "yz", ``, "x\ufffdyz", "yz"},
		{"completed, as U+FFFD begins", "[120,239]", "\xbc\x8cz", ``, "x，z", "，z"},
		{"completed no further", "[120,240]", "\x9fz", ``, "x\ufffdz", "z"},
		{"at the end of the answer", "[120,240]", "\x9f\x98", ``, "x\ufffd", ""},
		{"nothing generated", "[120,240,159]", "y", `,"max_tokens":0`, "x\ufffd", ""},
		{"no token without a text", "[120,240,319]", "\x9f\x98\x80", ``, "x😀", "😀"},
		{"a special token between", "[120,240,300]", "\x9fz", ``, "x\ufffd<eos>\ufffdz", "\ufffdz"},
		{"only bytes that begin nothing", "[120,159,152]", "\x80z", ``, "x\ufffd\ufffdz", "\ufffdz"},
		{"a stop string", "[120,240,159,152]", "\x80z", `,"stop":"😀"`, "x", ""},
		{"no stop string", "[120,240]", "yz", `,"stop":["\ufffd","z"]`, "x\ufffdy", "y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := start(t, &fake.Engine{Script: c.script})
			for echo, expect := range map[string]string{"true": c.echoed, "false": c.alone} {
				request := fmt.Sprintf(`{"prompt":%s,"temperature":0,"echo":%s%s`, c.prompt, echo, c.fields)
				want(t, at(t, call(t, 200, url+completions, request+`}`), "choices", 0, "text"), fmt.Sprintf("%q", expect))
			}
		})
	}
}
