package chat

import "testing"

// No template and no message makes the process panic, hang or print without
// bound: Parse or Render returns.
func FuzzTemplate(f *testing.F) {
	var file struct {
		Messages []map[string]any
		Cases    []feature
	}
	readJSON(f, &file, "testdata/features.json")
	for _, c := range file.Cases {
		f.Add(c.Template, "Hi {{ x }}")
	}
	f.Fuzz(func(t *testing.T, template, content string) {
		tpl, err := Parse(template, map[string]string{"bos_token": "<s>"})
		if err != nil {
			return
		}
		got, err := tpl.Render([]Message{{Role: "user", Content: content}, {Role: "assistant", Content: "ok"}}, true, nil)
		if err == nil && len(got) > maxText+len(template) {
			t.Errorf("%d bytes of output", len(got))
		}
	})
}
