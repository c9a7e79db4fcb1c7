package goldentest

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the recorded files of testdata anew")

// Updating says whether recorded files are written anew.
func Updating() bool { return *update }

// Recorded compares with a file of testdata, which -update writes anew.
func Recorded(t testing.TB, file, got string) {
	t.Helper()
	if Updating() {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file) //nolint:gosec // a test's own
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed (-update writes it anew); now:\n%s\nwas:\n%s", file, got, want)
	}
}
