package openai_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	template "github.com/olmoe-serving/olmoe-operator/internal/chat"
	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/tokenizer"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// golden reads a file of the reference data.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(goldentest.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The reference conversations and texts through /tokenize and /detokenize with
// the real tokenizer and templates, to the letter.
func TestGoldenThroughHTTP(t *testing.T) {
	tok, err := tokenizer.Parse(golden(t, "tokenizer/tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var texts []struct {
		Text, Decoded string
		IDs           []int32
	}
	mustJSON(t, golden(t, "tokenizer/encode_cases.json"), &texts)
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.Tokenizer, o.Vocab = openai.FromTokenizer(tok), 50304 })
	for i, c := range texts {
		text, ids := toJSON(t, c.Text), toJSON(t, c.IDs)
		got := call(t, 200, url+"/tokenize", `{"prompt":`+text+`}`)
		want(t, got["tokens"], ids)
		want(t, got["count"], fmt.Sprint(len(c.IDs)))
		want(t, call(t, 200, url+"/detokenize", `{"tokens":`+ids+`}`)["prompt"], toJSON(t, c.Decoded))
		if t.Failed() {
			t.Fatalf("case %d: %s", i, text)
		}
	}
	if len(texts) == 0 {
		t.Error("no cases")
	}
}

// In log-probabilities no two tokens of the real vocabulary have the same name. Each run
// of 2 to 24 spaces is in it twice; the one that it is encoded as has it as its name.
func TestGoldenTokenNames(t *testing.T) {
	tok, err := tokenizer.Parse(golden(t, "tokenizer/tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	const vocab = 50304
	api := openai.FromTokenizer(tok)
	s := openai.New(openai.Options{Model: "m", Context: 1, Vocab: vocab, Tokenizer: api})
	seen := map[string]int32{}
	for id := range int32(vocab) {
		name := openai.TokenName(s, id)
		if other, twice := seen[name]; twice {
			t.Errorf("tokens %d and %d are both %q", other, id, name)
		}
		seen[name] = id
	}
	for n := 1; n <= 24; n++ {
		run := strings.Repeat(" ", n)
		if ids := api.Encode(run); len(ids) != 1 || seen[run] != ids[0] {
			t.Errorf("%d spaces are %v, and the name of %d", n, ids, seen[run])
		}
	}
}

// The reference conversations of both Instruct models through their templates.
func TestGoldenChatThroughHTTP(t *testing.T) {
	var templates map[string]struct {
		Template string `json:"chat_template"`
		BOS      string `json:"bos_token"`
		EOS      string `json:"eos_token"`
	}
	mustJSON(t, golden(t, "chat/chat_templates.json"), &templates)
	var cases []struct {
		Model    string
		Generate bool `json:"add_generation_prompt"`
		Messages json.RawMessage
		IDs      []int32
	}
	mustJSON(t, golden(t, "chat/chat_cases.json"), &cases)
	for model, file := range map[string]string{
		"OLMoE-1B-7B-0924-Instruct": "tokenizer/tokenizer.json",
		"OLMoE-1B-7B-0125-Instruct": "tokenizer/tokenizer_0125_inferred.json",
	} {
		tok, err := tokenizer.Parse(golden(t, file))
		if err != nil {
			t.Fatal(err)
		}
		m := templates[model]
		tpl, err := template.Parse(m.Template, map[string]string{"bos_token": m.BOS, "eos_token": m.EOS})
		if err != nil {
			t.Fatal(err)
		}
		url := start(t, &fake.Engine{}, func(o *openai.Options) {
			o.Tokenizer, o.Vocab, o.Chat = openai.FromTokenizer(tok), 50304, openai.FromTemplate(tpl)
		})
		tried := 0
		for i, c := range cases {
			if c.Model != model {
				continue
			}
			tried++
			got := call(t, 200, url+"/tokenize", fmt.Sprintf(`{"messages":%s,"add_generation_prompt":%v}`, c.Messages, c.Generate))
			want(t, got["tokens"], toJSON(t, c.IDs))
			if t.Failed() {
				t.Fatalf("case %d: %s", i, c.Messages)
			}
		}
		if tried == 0 {
			t.Errorf("%s: no cases", model)
		}
	}
}

// What the adapter hands to a template: roles, contents, names, further
// variables; and what a template says no to.
func TestTemplateAdapter(t *testing.T) {
	const source = `{% for m in messages %}{% if m.content == "no" %}{{ raise_exception("never no") }}{% endif %}` +
		`[{{ m.role }}{% if m.name is defined %} {{ m.name }}{% endif %}: {{ m.content | trim }}]{% endfor %}{% if add_generation_prompt %}[assistant: {{ mood }}{% endif %}`
	tpl, err := template.Parse(source, nil)
	if err != nil {
		t.Fatal(err)
	}
	eng := &fake.Engine{Script: "x"}
	url := start(t, eng, func(o *openai.Options) { o.Chat = openai.FromTemplate(tpl) })
	for _, c := range []struct{ body, want string }{
		{`"messages":[{"role":"user","content":"a","name":"Ann"},{"role":"assistant","content":"b"}],"chat_template_kwargs":{"mood":"calm"}`, "[user Ann: a][assistant: b][assistant: calm"},
		{`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":" b c \n"}],"continue_final_message":true`, "[user: a][assistant: b c"},
	} {
		call(t, 200, url+chat, `{"max_tokens":1,`+c.body+`}`)
		if got := (fake.Tokenizer{}).Decode(eng.Last.Load().Prompt, false); got != c.want {
			t.Errorf("prompt %q, want %q", got, c.want)
		}
	}
	wantError(t, call(t, 400, url+chat, `{"messages":[{"role":"user","content":"no"}]}`), "messages", "", "never no")
}

// The prompt ends right after the final message, whatever that is: it may be empty,
// occur in what the template writes around it, or end in blanks that are trimmed.
func TestContinueFinalMessage(t *testing.T) {
	const (
		keeps = `{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content }}{% if m.role == 'assistant' %}{{ '<|endoftext|>' }}{% endif %}{{ '\n' }}{% endfor %}`
		trims = `{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content | trim + ' </s>\n' }}{% endfor %}`
	)
	for _, c := range []struct{ source, last, want string }{
		{keeps, "<", "<|assistant|>\n<"}, {keeps, "text", "<|assistant|>\ntext"}, {keeps, "end", "<|assistant|>\nend"},
		{keeps, "", "<|assistant|>\n"}, {keeps, " a \n", "<|assistant|>\n a \n"}, {keeps, "assistant", "<|assistant|>\nassistant"},
		{trims, " a b \n", "<|assistant|>\na b"}, {trims, "", "<|assistant|>\n"}, {trims, " ", "<|assistant|>\n"}, {trims, "s", "<|assistant|>\ns"},
	} {
		tpl, err := template.Parse(c.source, nil)
		if err != nil {
			t.Fatal(err)
		}
		eng := &fake.Engine{Script: "x"}
		url := start(t, eng, func(o *openai.Options) { o.Chat = openai.FromTemplate(tpl) })
		call(t, 200, url+chat, `{"max_tokens":1,"messages":[{"role":"assistant","content":`+toJSON(t, c.last)+`}],"continue_final_message":true}`)
		if got := (fake.Tokenizer{}).Decode(eng.Last.Load().Prompt, false); got != c.want {
			t.Errorf("%q: prompt %q, want %q", c.last, got, c.want)
		}
	}
	silent, err := template.Parse(`{{ messages | length }}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.Chat = openai.FromTemplate(silent) })
	wantError(t, call(t, 400, url+chat, `{"messages":[{"role":"user","content":"1"}],"continue_final_message":true}`), "messages", "", "does not appear")
}

// A template that writes nothing, as an empty file does, leaves nothing to answer.
func TestTemplateThatWritesNothing(t *testing.T) {
	empty, err := template.Parse("", nil)
	if err != nil {
		t.Fatal(err)
	}
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.Chat = openai.FromTemplate(empty) })
	wantError(t, call(t, 400, url+chat, `{"messages":[{"role":"user","content":"1"}]}`), "messages", "", "writes nothing")
	if n := at(t, call(t, 200, url+"/tokenize", `{"messages":[{"role":"user","content":"1"}]}`), "count"); n != 0.0 {
		t.Errorf("/tokenize counts %v tokens, want 0", n)
	}
}

func mustJSON(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
