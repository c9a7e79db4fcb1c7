package chat

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	const tpl = `"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"`
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"tokens as strings", map[string]string{configFile: `{` + tpl + `, "bos_token": "<b>", "eos_token": "<e>"}`}, "<b>hi<e>"},
		{"tokens as objects", map[string]string{configFile: `{` + tpl + `, "bos_token": {"content": "<b>", "lstrip": false}, "eos_token": {"content": "<e>"}}`}, "<b>hi<e>"},
		{"tokens in the other file", map[string]string{
			configFile:  `{` + tpl + `, "bos_token": null, "eos_token": "<e>"}`,
			specialFile: `{"bos_token": {"content": "<b>"}, "eos_token": "<other>"}`,
		}, "<b>hi<e>"},
		{"no tokens: undefined prints nothing", map[string]string{configFile: `{` + tpl + `}`}, "hi"},
		{"named templates", map[string]string{configFile: `{"chat_template": [
			{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes {{ messages[0].content }}"}]}`}, "yes hi"},
		{"one named template", map[string]string{configFile: `{"chat_template": [{"name": "rag", "template": "rag"}]}`}, "rag"},
		{"a file of its own wins", map[string]string{configFile: `{` + tpl + `, "bos_token": "<b>"}`, templateFile: "{{ bos_token }}own\n"}, "<b>own"},
		{"a file of its own alone", map[string]string{templateFile: "own"}, "own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := Load(writeFiles(t, tt.files))
			if err != nil {
				t.Fatal(err)
			}
			got, err := tpl.Render([]Message{{Role: "user", Content: "hi"}}, true, nil)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// TestEndOfSequence: it is found where a template would get it from, and without one.
func TestEndOfSequence(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no files":        {nil, ""},
		"a string":        {map[string]string{configFile: `{"eos_token": "<e>", "bos_token": 5}`}, "<e>"},
		"an object":       {map[string]string{configFile: `{"eos_token": {"content": "<e>"}}`, specialFile: `{"eos_token": "<f>"}`}, "<e>"},
		"the other file":  {map[string]string{configFile: `{"eos_token": null}`, specialFile: `{"eos_token": "<f>"}`}, "<f>"},
		"neither of them": {map[string]string{configFile: `{"eos_token": null}`, specialFile: `{"bos_token": "<f>"}`}, ""},
	} {
		if got, err := EndOfSequence(writeFiles(t, c.files)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	for _, name := range []string{configFile, specialFile} {
		if _, err := EndOfSequence(writeFiles(t, map[string]string{name: `{"eos_token": 5}`})); err == nil || !strings.Contains(err.Error(), name+": eos_token: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadNoTemplate(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"empty directory": {},
		"no field":        {configFile: `{"bos_token": "x"}`},
		"null":            {configFile: `{"chat_template": null}`},
	} {
		if _, err := Load(writeFiles(t, files)); !errors.Is(err, ErrNoTemplate) {
			t.Errorf("%s: %v, want ErrNoTemplate", name, err)
		}
	}
}

// An error names the file, the field and what is wrong.
func TestLoadErrors(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"not JSON", map[string]string{configFile: `{`}, []string{configFile, "unexpected end"}},
		{"template is a number", map[string]string{configFile: `{"chat_template": 3}`}, []string{configFile, "chat_template", "neither a string nor a list"}},
		{"no default", map[string]string{configFile: `{"chat_template": [{"name": "a"}, {"name": "b"}]}`}, []string{"none of the 2 templates is named default"}},
		{"token is a number", map[string]string{configFile: `{"chat_template": "x", "bos_token": 5}`}, []string{configFile, "bos_token", "neither a string nor an object"}},
		{"special tokens are not JSON", map[string]string{templateFile: "x", specialFile: `[`}, []string{specialFile, "unexpected end"}},
		{"token has no content", map[string]string{templateFile: "x", specialFile: `{"eos_token": {"id": 5}}`}, []string{specialFile, "eos_token"}},
		{"syntax", map[string]string{configFile: `{"chat_template": "{% if %}"}`}, []string{configFile + ": chat_template: "}},
		{"syntax in a file", map[string]string{templateFile: `{% if %}`, configFile: `{"chat_template": "x"}`}, []string{templateFile + ": "}},
		{"too large", map[string]string{templateFile: strings.Repeat("x", maxTemplateBytes+1)}, []string{"more than"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(writeFiles(t, tt.files))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestLoadFileTooLarge(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, configFile)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), configFile) {
		t.Errorf("err = %v, want one that names %s", err, configFile)
	}
}
