package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

// byHand is a day of 48 slots, by hand.
func byHand() *comparison {
	c := &comparison{trace: &poolsim.Trace{Name: "all"}, peak: 8}
	for i, name := range []string{"ours", "defaults", "theirs"} {
		r := &poolsim.Result{NodeHours: float64(100 + 25*i)}
		for range 48 {
			r.Nodes, r.Response = append(r.Nodes, 4+i), append(r.Response, .001)
		}
		c.policies = append(c.policies, &poolsim.Tuned{Name: name, Target: "1", Kept: i == 0, Result: r})
	}
	return c
}

// TestPlotsAreXML, with every policy named in each.
func TestPlotsAreXML(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "img")
	if err := draw(dir, []*comparison{byHand()}, options{bound: 15e6}); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.svg"))
	if len(files) != 3 {
		t.Fatalf("files %v, want 3", files)
	}
	for _, name := range files {
		svg, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(bytes.NewReader(svg))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s is no XML: %v", name, err)
		}
		for _, part := range []string{"ours", "theirs", "prefers-color-scheme:dark"} {
			if !strings.Contains(string(svg), part) {
				t.Errorf("%s does not say %q", name, part)
			}
		}
	}
}

func TestTableTellsWhatBreaksTheBound(t *testing.T) {
	var out strings.Builder
	c := byHand()
	c.print(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || !strings.Contains(lines[4], "-33%") || !strings.HasSuffix(lines[4], "no target keeps the bound") || strings.Contains(lines[2], "no target") {
		t.Errorf("the table is\n%s", out.String())
	}
}

func TestBadFlags(t *testing.T) {
	for _, c := range []struct{ flag, want string }{
		{"-days=all", "-days"},
		{"-days=all:5000", "must be 1 to"},
		{"-counts=missing.json", "missing.json"},
		{"-days=weekly:64", "weekly"},
		{"-slots=65", "65 slots"},
	} {
		if err := run([]string{c.flag}, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want ...%s...", c.flag, err, c.want)
		}
	}
}
