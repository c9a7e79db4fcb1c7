package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPackageDocsNameTheirFiles: where a package's documentation lists its files, it lists
// all of them; after "Files:" it lists no other.
func TestPackageDocsNameTheirFiles(t *testing.T) {
	for _, dir := range []string{"controllers/pool", "expertnode", "router/dispatch", "router/openai", "internal/placement", "internal/placement/planner"} {
		folder := filepath.Join("..", "..", dir)
		text, err := os.ReadFile(filepath.Join(folder, "doc.go"))
		if err != nil {
			t.Fatal(err)
		}
		sources, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		var files []string
		for _, path := range sources {
			name := strings.TrimSuffix(filepath.Base(path), ".go")
			if strings.HasSuffix(name, "_test") || name == "doc" {
				continue
			}
			files = append(files, name)
			if !regexp.MustCompile(`\b` + name + `\b`).Match(text) {
				t.Errorf("%s/doc.go does not name %s.go", dir, name)
			}
		}
		for _, name := range listed(string(text)) {
			if !slices.Contains(files, name) {
				t.Errorf("%s/doc.go names %s.go, which is not there", dir, name)
			}
		}
	}
}

// listed are the words after "Files:", but for what is in brackets.
func listed(text string) []string {
	_, list, _ := strings.Cut(text, "// Files:")
	list, _, _ = strings.Cut(list, "\npackage ")
	list = regexp.MustCompile(`(?s)\(.*?\)`).ReplaceAllString(list, "")
	return slices.DeleteFunc(regexp.MustCompile(`\w+`).FindAllString(list, -1), func(w string) bool { return w == "and" })
}
