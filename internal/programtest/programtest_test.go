package programtest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What a test of processes depends on without importing it is looked at.
func TestSources(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dirs, mods, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"cmd/olmoe", "router/engine", "router/openai", "expertnode", "internal/model", "internal/wire", "internal/local", "controllers/pool"} {
		if !slices.Contains(dirs, filepath.Join(root, dir)) {
			t.Errorf("%s is not among the program's folders", dir)
		}
	}
	if want := []string{filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum")}; !slices.Equal(mods, want) {
		t.Errorf("versions are looked up in %v, want %v", mods, want)
	}
	for _, mod := range mods {
		if _, err := os.Stat(mod); err != nil {
			t.Error(err)
		}
	}
}
