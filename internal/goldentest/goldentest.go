// Package goldentest finds reference data for tests: golden vectors that an independent
// implementation has made, and measured counts of routing. docs/development.md tells
// what they are. They are too large for the repository: a test that has none is skipped,
// and "make test" says so at its end.
package goldentest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Variable names the folder of golden vectors in the environment.
const Variable = "OLMOE_GOLDEN"

// Counts is the file of measured counts, {kind of text: {layer: [count of each expert]}},
// in a folder beside the golden vectors.
const Counts = "../data/olmoe_expert_counts.json"

// Missing is in the message of each test that is skipped; hack/test.sh looks for it.
const Missing = "no golden data"

// sibling is the folder that is looked at if the environment names none.
const sibling = "../shared/golden"

// Path is a file or folder of the reference data; where it is absent the test is skipped.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	path := Find(t, elem...)
	if path == "" {
		t.Skipf("%s: %s is not there (%s=DIR names the folder)", Missing, filepath.Join(elem...), Variable)
	}
	return path
}

// Find is Path for who can do without: "" where the data is absent.
func Find(t testing.TB, elem ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{folder(t)}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// JSON reads a file into what a pointer leads to.
func JSON(t testing.TB, into any, path string) {
	t.Helper()
	data, err := os.ReadFile(path) //nolint:gosec // a test's own
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// folder may not exist, unless it is named: who names one wants it looked at.
func folder(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(Variable); dir != "" {
		if _, err := os.Stat(dir); err != nil { //nolint:gosec // whoever runs the test names it
			t.Fatalf("%s: %v", Variable, err)
		}
		return dir
	}
	return filepath.Join(root(t), sibling)
}

// root is the repository's: a test runs in its package's folder.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test's folder")
	return ""
}
