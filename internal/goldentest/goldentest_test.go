package goldentest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// caught is a test that tells how it would have ended.
type caught struct {
	testing.TB
	skipped, failed string
}

func (c *caught) Helper() {}
func (c *caught) Skipf(format string, args ...any) {
	c.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (c *caught) Fatalf(format string, args ...any) {
	c.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// catch runs a part of a test as a test of its own.
func catch(t *testing.T, run func(t testing.TB)) *caught {
	c := &caught{TB: t}
	done := make(chan struct{})
	go func() { defer close(done); run(c) }()
	<-done
	return c
}

// ask looks for a path.
func ask(t *testing.T, elem ...string) (path string, c *caught) {
	c = catch(t, func(t testing.TB) { path = Path(t, elem...) })
	return path, c
}

func TestNamedFolder(t *testing.T) {
	dir := t.TempDir()
	golden := filepath.Join(dir, "golden")
	for _, name := range []string{"golden/chat/cases.json", "data/olmoe_expert_counts.json"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(Variable, golden)
	if got, _ := ask(t, "chat", "cases.json"); got != filepath.Join(golden, "chat", "cases.json") {
		t.Errorf("found %q", got)
	}
	if got, _ := ask(t, Counts); got != filepath.Join(dir, "data", "olmoe_expert_counts.json") {
		t.Errorf("found %q", got)
	}
	if _, c := ask(t, "tokenizer"); !strings.HasPrefix(c.skipped, Missing) || !strings.Contains(c.skipped, "tokenizer") {
		t.Errorf("a part that is not there: skipped %q, failed %q", c.skipped, c.failed)
	}
	if got := Find(t, "tokenizer"); got != "" {
		t.Errorf("found %q", got)
	}
	t.Setenv(Variable, filepath.Join(dir, "nowhere"))
	if _, c := ask(t, "chat"); !strings.HasPrefix(c.failed, Variable) {
		t.Errorf("a folder that is not there: skipped %q, failed %q", c.skipped, c.failed)
	}
}

// Without the variable the folder is looked for beside the repository.
func TestSiblingFolder(t *testing.T) {
	t.Setenv(Variable, "")
	repository := filepath.Join(t.TempDir(), "repository")
	inside := filepath.Join(repository, "internal", "x")
	golden := filepath.Join(repository, sibling)
	for _, dir := range []string{inside, golden} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(repository, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inside)
	if got, c := ask(t); got != golden {
		t.Errorf("found %q, want %q (skipped %q, failed %q)", got, golden, c.skipped, c.failed)
	}
}

func TestJSON(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, text, failed string }{
		{"good.json", `{"ids": [1, 2]}`, ""},
		{"bad.json", `{"ids": [1, `, "bad.json: unexpected end"},
		{"absent.json", "", "absent.json: no such file"},
	} {
		path := filepath.Join(dir, tt.name)
		if tt.text != "" {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var got struct{ IDs []int }
		c := catch(t, func(t testing.TB) { JSON(t, &got, path) })
		if tt.failed == "" && !slices.Equal(got.IDs, []int{1, 2}) || !strings.Contains(c.failed, tt.failed) || (tt.failed == "") != (c.failed == "") {
			t.Errorf("%s: read %v, failed %q", tt.name, got.IDs, c.failed)
		}
	}
}

// What "make test" says at its end about golden data, it finds by this text.
func TestScriptKnowsTheMessage(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("..", "..", "hack", "test.sh"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), "'"+Missing+"'") {
		t.Errorf("hack/test.sh does not look for %q", Missing)
	}
}
