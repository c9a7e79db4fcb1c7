//go:build amd64

package kernels

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The operating system's own list of features decides: the set is there exactly
// where the CPU has them, and it is then the first choice.
func TestVNNIOnlyWhereTheCPUHasIt(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(info), "\nflags")
	line, _, _ := strings.Cut(rest, "\n")
	flags := strings.Fields(line)
	want := slices.Contains(flags, "avx512f") && slices.Contains(flags, "avx512vl") && slices.Contains(flags, "avx512_vnni")
	sets := available()
	if got := slices.Contains(sets, &avx512VNNI); got != want {
		t.Errorf("the set is there: %t; the CPU has the features: %t", got, want)
	}
	if want && sets[0] != &avx512VNNI {
		t.Errorf("the first choice is %s", sets[0].name)
	}
	if !want && !strings.Contains(recovered(func() { choose(avx512VNNI.name) }).(string), "this CPU can run") {
		t.Error("a CPU without VNNI can be told to use it")
	}
}
