package chat

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

// feature is a case of testdata/features.json; text and error are Jinja2's own
// (testdata/generate.py).
type feature struct {
	Name, Template string
	Messages       []map[string]any
	Vars           map[string]any
	Text           string
	Error          string
	Refused        bool // not supported: an error whatever Jinja2 says
}

// Templates that use one feature each, and some whole ones, render as Jinja2
// does, or fail where it fails.
func TestFeatures(t *testing.T) {
	var file struct {
		Messages []map[string]any
		Cases    []feature
	}
	goldentest.JSON(t, &file, "testdata/features.json")
	if len(file.Cases) < 250 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Messages == nil {
				c.Messages = file.Messages
			}
			c.check(t)
		})
	}
}

func (c feature) check(t *testing.T) {
	prompt := true
	vars := map[string]any{}
	for k, v := range c.Vars {
		if k == "add_generation_prompt" {
			prompt = v.(bool)
			continue
		}
		vars[k] = v
	}
	got, err := renderCase(c.Template, c.Messages, prompt, vars)
	switch {
	case c.Refused || c.Error != "":
		if err == nil {
			t.Errorf("%q: rendered %q, want an error (Jinja2: %q)", c.Template, got, c.Error)
		}
	case err != nil:
		t.Errorf("%q: %v", c.Template, err)
	case got != c.Text:
		t.Errorf("%q:\n got %q\nwant %q", c.Template, got, c.Text)
	}
}

func renderCase(source string, messages []map[string]any, prompt bool, vars map[string]any) (string, error) {
	tpl, err := Parse(source, map[string]string{"bos_token": "<s>", "eos_token": "</s>"})
	if err != nil {
		return "", err
	}
	list := make([]Message, len(messages))
	for i, m := range messages {
		list[i] = Message{Role: m["role"].(string), Extra: m}
	}
	return tpl.Render(list, prompt, vars)
}
