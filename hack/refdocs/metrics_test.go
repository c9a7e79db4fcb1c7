package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// named are metrics spelled out in the program, and those that the engine and the
// HTTP API put together from a prefix and a name.
var named = map[string]*regexp.Regexp{
	"":              regexp.MustCompile(`"(olmoe_[a-z_]+)"`),
	"olmoe_http_":   regexp.MustCompile(`name\("([a-z_]+)"\)`),
	"olmoe_engine_": regexp.MustCompile(`(?:gauge|counter|histogram)\("([a-z_]+)", "`),
}

// TestMetricsAreDocumented: every metric of the program is in the reference, and
// the reference has no other.
func TestMetricsAreDocumented(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("`(olmoe_[a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = true
	}
	for name, file := range metrics(t, root) {
		if !documented[name] {
			t.Errorf("%s (in %s) is not in docs/reference/metrics.md", name, file)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/reference/metrics.md has %s, the program does not", name)
	}
}

// metrics are the names in the program's sources, with the file they are in.
func metrics(t *testing.T, root string) map[string]string {
	found := map[string]string{}
	for _, dir := range []string{"controllers", "expertnode", "router", "internal/podctl"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "metrics.go") && !strings.HasSuffix(path, "info.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for prefix, expression := range named {
				if prefix == "olmoe_engine_" && !strings.Contains(path, "engine") || prefix == "olmoe_http_" && !strings.Contains(path, "openai") {
					continue
				}
				for _, m := range expression.FindAllStringSubmatch(string(source), -1) {
					found[prefix+strings.Join(m[1:], "")] = path // one group of each
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 40 {
		t.Errorf("only %d metrics were found: the test looks in the wrong places", len(found))
	}
	return found
}
