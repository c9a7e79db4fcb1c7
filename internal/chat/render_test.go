package chat

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
)

func mustParse(t testing.TB, source string) *Template {
	t.Helper()
	tpl, err := Parse(source, map[string]string{"bos_token": "<s>", "eos_token": "</s>"})
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func TestRenderRaised(t *testing.T) {
	tpl := mustParse(t, `{% for m in messages %}{% if m.role != 'user' %}{{ raise_exception('Unknown role: ' + m.role) }}{% endif %}{% endfor %}`)
	_, err := tpl.Render([]Message{{Role: "user"}, {Role: "judge"}}, false, nil)
	var raised *RaisedError
	if !errors.As(err, &raised) || raised.Message != "Unknown role: judge" {
		t.Fatalf("err = %v, want a RaisedError with the template's message", err)
	}
	if got := err.Error(); got != "chat template: Unknown role: judge" {
		t.Errorf("message %q", got)
	}
}

// A message's text is data: what looks like Jinja in it stays as it is.
func TestRenderContentIsData(t *testing.T) {
	tpl := mustParse(t, `{% for m in messages %}{{ m.content }}{{ m['content'] | trim }}{% set c = m.content + '!' %}{{ c }}{% endfor %}`)
	for _, content := range []string{
		"{{ bos_token }}", "{% for x in y %}", "{# c #}", "}} %} #}", `\n \\ ' "`, "{%- raw %}", "<|endoftext|>", "a\x00b", "😀\u0301", "%s %(x)s",
	} {
		got, err := tpl.Render([]Message{{Role: "user", Content: content}}, false, nil)
		if want := content + content + content + "!"; err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestRenderVariables(t *testing.T) {
	tests := []struct {
		template string
		vars     map[string]any
		want     string
	}{
		{"{{ tools is none }}{{ documents is none }}{{ nope is defined }}", nil, "TrueTrueFalse"},
		{"{{ enable_thinking }}", map[string]any{"enable_thinking": false}, "False"},
		{"{{ n + 1 }}{{ f }}{{ i }}", map[string]any{"n": 2.0, "f": 0.5, "i": json.Number("7")}, "30.57"},
		{"{{ x }}", map[string]any{"x": nil}, "None"},
		{"{{ x.a[1].b }}", map[string]any{"x": map[string]any{"a": []any{1.0, map[string]any{"b": "deep"}}}}, "deep"},
		{"{{ bos_token }}{{ eos_token }}", map[string]any{"bos_token": "[B]"}, "[B]</s>"},
		{"{{ tools[0].name }}", map[string]any{"tools": []any{map[string]any{"name": "f"}}}, "f"},
	}
	for _, tt := range tests {
		got, err := mustParse(t, tt.template).Render(nil, false, tt.vars)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.template, got, err, tt.want)
		}
	}
}

func TestRenderReservedVariables(t *testing.T) {
	tpl := mustParse(t, "x")
	for _, name := range []string{"messages", "add_generation_prompt"} {
		if _, err := tpl.Render(nil, false, map[string]any{name: 1}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}

// Errors are short and say what is wrong, not where the library stood.
func TestRenderErrors(t *testing.T) {
	null := []Message{{Role: "assistant", Extra: map[string]any{"content": nil}}}
	for template, want := range map[string]string{
		"{{ 'a' + messages[0].content }}":                                "cannot compute string + none",
		"{{ 'a' + messages[0].nope }}":                                   "cannot compute string + undefined",
		"{{ 1 / 0 }}":                                                    "division by zero",
		"{% for x in 3 %}{% endfor %}":                                   "cannot loop over int",
		"{{ messages[0].nope.deeper['x'] }}":                             "None",
		"{{ messages[5]['role'] }}":                                      "undefined has no item role",
		"{{ 'a'.explode() }}":                                            "explode",
		"{{ messages.append(1) }}":                                       "append",
		"{% set messages[0] = 1 %}":                                      "namespace",
		"{% set _ = messages[0].update({'a': 1}) %}":                     "update",
		"{{ nope() }}":                                                   "not callable",
		"{% for i in [1, 2] %}{{ 'a' * i }}{{ [][0]['x'] }}{% endfor %}": "undefined has no item x",
	} {
		_, err := mustParse(t, template).Render(null, false, nil)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%s: err = %v, want %q", template, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for template, want := range map[string]string{
		"{{ x | no_such_filter }}":                      `line 1: the filter "no_such_filter" is not supported`,
		"a\nb {{ x is no_such_test }}":                  `line 2: the test "no_such_test" is not supported`,
		"{% include 'x' %}":                             "include",
		"{% import '/etc/passwd' as p %}":               "import",
		"{% extends 'x' %}":                             "extends",
		"{% from 'x' import y %}":                       "from",
		"{% block x %}{% endblock %}":                   "block",
		"{% for m in messages recursive %}{% endfor %}": "recursive",
		"{{ x":                                  "does not end",
		"\n{{ 'x }}":                            "line 2: a string does not end",
		"{# x":                                  "does not end",
		"{% raw %}x":                            "raw",
		"{{ x ? y }}":                           "unexpected '?'",
		"{{ __budget }}":                        "__budget is not allowed",
		"{{ ''.__class__ }}":                    "__class__ is not allowed",
		"{{ " + strings.Repeat("(", 70) + " }}": "brackets within brackets",
		"{% if messages %}":                     "",
		"{{ (1 }}":                              "",
	} {
		if _, err := Parse(template, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want %q", template, err, want)
		}
	}
}

func TestRenderConcurrently(t *testing.T) {
	tpl := mustParse(t, `{% set ns = namespace(n=0) %}{% macro f(x) %}<{{ x }}>{% endmacro %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ f(m.content) }}{% endfor %}{{ ns.n }}`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			content := strings.Repeat("x", i)
			for range 50 {
				got, err := tpl.Render([]Message{{Content: content}, {Content: content}}, false, nil)
				if want := "<" + content + "><" + content + ">2"; err != nil || got != want {
					t.Errorf("got %q, %v; want %q", got, err, want)
					return
				}
			}
		}()
	}
	wg.Wait()
}

func BenchmarkRender(b *testing.B) {
	tpl := mustParse(b, "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n' + message['content'] + (eos_token if not loop.last else '') }}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}")
	messages := make([]Message, 20)
	for i := range messages {
		messages[i] = Message{Role: []string{"user", "assistant"}[i%2], Content: strings.Repeat("some words ", 40)}
	}
	for b.Loop() {
		if _, err := tpl.Render(messages, true, nil); err != nil {
			b.Fatal(err)
		}
	}
}
