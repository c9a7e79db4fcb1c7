package chat

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

// No template and no message makes the process panic, hang or print without
// bound: Parse or Render returns.
func FuzzTemplate(f *testing.F) {
	var file struct {
		Messages []map[string]any
		Cases    []feature
	}
	goldentest.JSON(f, &file, "testdata/features.json")
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

// Whatever a checkpoint's files hold, they are a template or an error that names a file.
func FuzzLoad(f *testing.F) {
	f.Add(`{"chat_template": "{{ bos_token }}{{ messages[0].content }}", "bos_token": {"content": "<b>"}}`, `{"eos_token": "<e>"}`)
	f.Add(`{"chat_template": [{"name": "default", "template": "x"}, {"name": "tool_use"}]}`, `null`)
	f.Add(`{"chat_template": [null, 3]}`, `{`)
	f.Add(`[]`, ``)
	f.Fuzz(func(t *testing.T, config, special string) {
		tpl, err := Load(writeFiles(t, map[string]string{configFile: config, specialFile: special}))
		switch {
		case err == nil:
			_, _ = tpl.Render([]Message{{Role: "user", Content: "hi"}}, true, nil)
		case !errors.Is(err, ErrNoTemplate) && !strings.Contains(err.Error(), ".json: "):
			t.Errorf("%q and %q: %v", config, special, err)
		}
	})
}

// A time is no longer than what is charged for it.
func FuzzStrftime(f *testing.F) {
	for _, format := range []string{"%d %b %Y", "%A %B %e %j", "%H:%M:%S %z %Z", "%F%T%D", "100%%", "%", "%Q"} {
		f.Add(format)
	}
	longest := time.Date(2024, time.September, 25, 23, 59, 59, 0, time.UTC) // a Wednesday
	f.Fuzz(func(t *testing.T, format string) {
		got, err := strftime(longest, format)
		if err == nil && len(got) > longestDirective*len(format) {
			t.Errorf("%q became %q, longer than %d for each byte", format, got, longestDirective)
		}
	})
}
