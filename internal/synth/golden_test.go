package synth_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// TestMatchesReferenceCheckpoints compares every file of the reference
// checkpoints, byte for byte, with what this package writes.
func TestMatchesReferenceCheckpoints(t *testing.T) {
	tiny, small := synth.Tiny(), synth.Small()
	tiny.Tokenizer, small.Tokenizer = false, false
	f32, sharded := tiny, tiny
	f32.DType, sharded.Shards = tensor.F32, 3
	for name, o := range map[string]synth.Options{"tiny": tiny, "tiny-f32": f32, "tiny-sharded": sharded, "small": small} {
		t.Run(name, func(t *testing.T) {
			ref := goldentest.Path(t, "checkpoints", name)
			dir := t.TempDir()
			if err := synth.Write(dir, o); err != nil {
				t.Fatal(err)
			}
			compareFiles(t, dir, ref)
		})
	}
}

// compareFiles compares the files of dir with those of the same name in ref,
// which may also hold a tokenizer.
func compareFiles(t *testing.T, dir, ref string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 3 {
		t.Fatalf("%d files written, error %v", len(entries), err)
	}
	for _, e := range entries {
		got, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(ref, e.Name()))
		if err != nil {
			t.Errorf("%s is not in the reference: %v", e.Name(), err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s differs from the reference", e.Name())
		}
	}
}
