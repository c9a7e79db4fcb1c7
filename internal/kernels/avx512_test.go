package kernels

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAVX512AssemblyWasRun: hack/emulate/kernels.sh records what it has tested, so that no
// assembly for a CPU that may not be at hand changes untested (docs/adr/0100).
func TestAVX512AssemblyWasRun(t *testing.T) {
	tested, err := os.ReadFile("testdata/avx512.sha256")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, pattern := range []string{"*_vnni_amd64.s", "*_avx512_amd64.s"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		files = append(files, found...)
	}
	lines := strings.Split(strings.TrimSpace(string(tested)), "\n")
	for _, file := range files {
		assembly, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(assembly)
		if !slices.Contains(lines, hex.EncodeToString(sum[:])+"  "+file) {
			t.Errorf("%s is not what ran on a CPU with AVX-512: run make test-avx512, and commit what it records", file)
		}
	}
	if len(lines) != len(files) {
		t.Errorf("%d files were tested, %d are here", len(lines), len(files))
	}
}
