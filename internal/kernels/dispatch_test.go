package kernels

import (
	"os"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	if got := choose(""); got != available()[0] {
		t.Errorf("no name chose %s, want the fastest, %s", got.name, available()[0].name)
	}
	for _, s := range available() {
		if got := choose(s.name); got != s {
			t.Errorf("%q chose %s", s.name, got.name)
		}
	}
	msg, _ := recovered(func() { choose("abacus") }).(string)
	for _, want := range []string{EnvKernels, "abacus", portable.name} {
		if !strings.Contains(msg, want) {
			t.Errorf("unknown name: panic %q does not mention %q", msg, want)
		}
	}
}

// Every CPU can run the portable kernels, and they are the last choice.
func TestPortableIsAlwaysThere(t *testing.T) {
	sets := available()
	if sets[len(sets)-1] != &portable {
		t.Errorf("last set is %s", sets[len(sets)-1].name)
	}
}

func TestNameTellsWhatRuns(t *testing.T) {
	want := available()[0].name
	if asked := os.Getenv(EnvKernels); asked != "" {
		want = asked
	}
	if Name() != want {
		t.Errorf("Name() = %s, want %s", Name(), want)
	}
}
