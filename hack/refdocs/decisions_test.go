package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryDecisionIsInTheIndex: each page of docs/adr has one line in its index, with its
// title and a status.
func TestEveryDecisionIsInTheIndex(t *testing.T) {
	folder := filepath.Join("..", "..", "docs", "adr")
	index, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]string{}
	line := regexp.MustCompile(`(?m)^\| \[(\d{4})\]\(([^)]*)\) \| (.*) \| (?:accepted|superseded by \[.*|amended by \[.*) \|$`)
	for _, m := range line.FindAllStringSubmatch(string(index), -1) {
		if lines[m[2]] != nil || !strings.HasPrefix(m[2], m[1]) {
			t.Errorf("%s: a second line, or not its number", m[2])
		}
		lines[m[2]] = m
	}
	pages, err := filepath.Glob(filepath.Join(folder, "0*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatal("no page of a decision: ", err)
	}
	for _, path := range pages {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		title := regexp.MustCompile(`^# \d{4}:? (.*)\n`).FindSubmatch(page)
		if m := lines[name]; m == nil || title == nil || m[3] != string(title[1]) {
			t.Errorf("docs/adr/README.md has no line with status and title of %s", name)
		}
		delete(lines, name)
	}
	for name := range lines {
		t.Errorf("docs/adr/README.md has %s, which is not there", name)
	}
}
