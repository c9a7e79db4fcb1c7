package kernels

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// TestAssemblyWasEmulated: hack/emulate/kernels.sh records what it has tested, so that no
// assembly for a CPU that is not at hand changes untested (docs/adr/0100).
func TestAssemblyWasEmulated(t *testing.T) {
	assembly, err := os.ReadFile("int8_vnni_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	tested, err := os.ReadFile("testdata/int8_vnni_amd64.s.sha256")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(assembly)
	if name := hex.EncodeToString(sum[:]); !strings.HasPrefix(string(tested), name) {
		t.Errorf("int8_vnni_amd64.s is not what ran on an emulated CPU (%.64s): run make test-avx512, and commit what it records", tested)
	}
}
