package chat

import (
	"path/filepath"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

func TestGoldenChat(t *testing.T) {
	dir := goldentest.Path(t, "chat")
	var templates map[string]struct {
		ChatTemplate string `json:"chat_template"`
		BOS          string `json:"bos_token"`
		EOS          string `json:"eos_token"`
	}
	goldentest.JSON(t, &templates, filepath.Join(dir, "chat_templates.json"))
	var cases []struct {
		Name, Model, Text string
		Prompt            bool `json:"add_generation_prompt"`
		Messages          []Message
	}
	goldentest.JSON(t, &cases, filepath.Join(dir, "chat_cases.json"))
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		m := templates[c.Model]
		tpl, err := Parse(m.ChatTemplate, map[string]string{"bos_token": m.BOS, "eos_token": m.EOS})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tpl.Render(c.Messages, c.Prompt, nil)
		if err != nil || got != c.Text {
			t.Errorf("%s, %s: %q, %v; want %q", c.Model, c.Name, got, err, c.Text)
		}
	}
}
