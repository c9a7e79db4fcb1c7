// Package programtest builds the program for tests that run it as a process. It looks at the
// program's sources, so that a bare `go test` is not answered from its cache after they have
// changed; `make test` does not ask that cache.
package programtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const olmoe = "github.com/olmoe-serving/olmoe-operator/cmd/olmoe"

var (
	once   sync.Once
	dir    string // where the program is
	failed error
)

// Path is the program, built as it is released when the first test asks for it.
func Path(t testing.TB) string {
	t.Helper()
	once.Do(func() { failed = build() })
	if failed != nil {
		t.Fatal(failed)
	}
	return filepath.Join(dir, "olmoe")
}

// Remove removes what Path has built; for a TestMain, after its tests.
func Remove() { _ = os.RemoveAll(dir) }

func build() (err error) {
	if err = look(); err != nil {
		return err
	}
	if dir, err = os.MkdirTemp("", "olmoe-program-"); err != nil {
		return err
	}
	_, err = run("build", "-trimpath", "-o", filepath.Join(dir, "olmoe"), olmoe)
	return err
}

// look looks at the program's sources. Invariant: a result is not taken from go test's
// cache when the program has changed. The cache's key has what a test imports and the
// module's files that a running test (no TestMain) opened; a child that compiles is neither.
func look() error {
	dirs, mods, err := sources()
	for _, dir := range dirs {
		if _, err := os.ReadDir(dir); err != nil { // to the cache, each file of it
			return err
		}
	}
	for _, mod := range mods { // dependencies, by their versions
		if _, err := os.Stat(mod); err != nil {
			return err
		}
	}
	return err
}

// sources are the folders of the module's packages that the program is made of, and
// the files that tell the versions of all others.
func sources() (dirs, mods []string, err error) {
	out, err := run("list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}\t{{.GoMod}}{{end}}{{end}}", olmoe)
	for line := range strings.Lines(out) {
		if dir, mod, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			dirs = append(dirs, dir)
			mods = []string{mod, strings.TrimSuffix(mod, ".mod") + ".sum"}
		}
	}
	if err == nil && !slices.ContainsFunc(dirs, func(d string) bool { return strings.HasSuffix(d, "/cmd/olmoe") }) {
		err = fmt.Errorf("go list tells %d folders of the program, its own is not among them", len(dirs))
	}
	return dirs, mods, err
}

// run runs the go command without cgo, as the program is built.
func run(args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out), nil
}
