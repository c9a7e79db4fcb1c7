package main

import (
	"strings"
	"testing"
)

// TestReadJSON: what is wrong with a file is told in words about the file.
func TestReadJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"prompts": NaN}`: "no JSON at byte 13: invalid character 'N'",
		"":                 "it is empty", "{": "in the middle", `{"prompts": []} {}`: "more after", `[1]`: "a JSON array at byte 1, which does not belong there",
		`{"prompts": [{"name": 1}]}`: "a JSON number at byte 23", `{"a": {"b": 1, "c": [{"d": 1, "\u0064": 2}]}}`: `"d" stands twice`,
		"\ufeff" + `{"a": 1, "b": [{"a": 1}, {"a": 1}]}`: "",
	} {
		var to struct{ Prompts []struct{ Name string } }
		switch err := readJSON(planFile(t, text), &to); {
		case err == nil && want == "":
		case err == nil || want == "" || !strings.Contains(err.Error(), "plan.json: ") || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What cannot be read is no empty file.
func TestReadJSONOfAFolder(t *testing.T) {
	if err := readJSON(t.TempDir(), new(any)); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("%v", err)
	}
}

// A file without an end is not read to its end (invariant 8).
func TestReadJSONOfABoundedFile(t *testing.T) {
	name := planFile(t, strings.Repeat(" ", maxJSONFile)+`{"0": [1]}`)
	var to map[string][]float64
	if err := readJSON(name, &to); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("read %v behind %d bytes: %v", to, maxJSONFile, err)
	}
}
