package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Every byte of every file is read once, by however many threads.
func TestReadAll(t *testing.T) {
	var paths []string
	for name, size := range map[string]int{"empty": 0, "small": 3, "whole": readPiece, "large": 2*readPiece + 1} {
		paths = append(paths, filepath.Join(t.TempDir(), name))
		if err := os.WriteFile(paths[len(paths)-1], make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, threads := range []int{1, 3, 20} {
		if seconds, bytes, err := readAll(t.Context(), paths, threads); err != nil || bytes != 3*readPiece+4 || seconds <= 0 {
			t.Errorf("%d threads: %d bytes in %g s, %v", threads, bytes, seconds, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := readAll(ctx, paths, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// What was just written can be read without the disk until it is dropped.
func TestDrop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	cached := func() error { // EAGAIN: it is not
		_, err := unix.Preadv2(int(f.Fd()), [][]byte{make([]byte, 4096)}, 0, unix.RWF_NOWAIT)
		return err
	}
	if err := cached(); err != nil {
		t.Skip("this file system does not tell:", err)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil || s.Type == unix.TMPFS_MAGIC {
		t.Skip("a file system in memory", err)
	}
	if err := drop([]string{path}); err != nil {
		t.Fatal(err)
	}
	if err := cached(); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("it is still in the page cache: %v", err)
	}
	if err := drop([]string{path + ".none"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
