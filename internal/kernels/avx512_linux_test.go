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
	flags := strings.Fields(cpuInfo(t, "flags"))
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

// Weights are requested past the outer caches on AMD's CPUs alone: Intel's read them at
// half their rate so (docs/adr/0157).
func TestTheMakerChoosesTheRequest(t *testing.T) {
	sets := available()
	into, past := slices.Index(sets, &avx2), slices.Index(sets, &avx2NT)
	if into < 0 || past < 0 {
		t.Skip("this CPU has no AVX2")
	}
	maker := cpuInfo(t, "vendor_id")
	if amd := strings.Contains(maker, "AuthenticAMD"); amd != (past < into) {
		t.Errorf("%s: avx2 is choice %d, avx2-nt %d", maker, into, past)
	}
}

// cpuInfo is the system's own word on the first CPU.
func cpuInfo(t *testing.T, field string) string {
	t.Helper()
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut("\n"+string(info), "\n"+field)
	line, _, _ := strings.Cut(rest, "\n")
	return line
}
