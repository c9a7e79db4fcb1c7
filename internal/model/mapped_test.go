package model

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// mappedHead is a trunk whose output matrix is the memory of a kept file, at path.
func mappedHead(t *testing.T) (ck *checkpoint.Checkpoint, trunk *Trunk, path string) {
	t.Helper()
	dir, cacheDir := write(t, func(o *synth.Options) { o.VocabSize = 80_000 }), t.TempDir() // the matrix is larger than a huge page
	first, c := trunkWith(t, dir, cacheDir)
	kept(t, c, int64(1+4*first.cfg.NumLayers))
	ck, err := checkpoint.OpenAs(dir, checkpoint.Int8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ck.Close() })
	c = OpenCache(ck, logr.Discard(), weightcache.Folders{Dirs: []string{cacheDir}, Free: 1e-9})
	if trunk, err = OpenTrunk(context.Background(), ck, c); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(cacheDir, "*", trunk.cfg.OutputTensor()))
	if err != nil || len(found) != 1 {
		t.Fatalf("no file of the output matrix: %q, %v", found, err)
	}
	if !sameTrunk(first, trunk) {
		t.Error("the mapped trunk has other bytes")
	}
	return ck, trunk, found[0]
}

// Kept weights that are used where their files are mapped are guarded and watched as the
// checkpoint's own: who writes to them stops the process, no answer is wrong for long.
func TestMappedWeightsThatChange(t *testing.T) {
	ck, trunk, path := mappedHead(t)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	read := byte(0)
	fault := ck.Guard(func() { read = trunk.head.Data[0] })
	if fault == nil {
		t.Skipf("this file system's files are not mapped by huge pages: the matrix is a copy (%d)", read)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	var told error
	ck.Watch(ctx, time.Millisecond, func(err error) { told = err; stop() })
	for _, err := range []error{fault, told} {
		if !errors.Is(err, checkpoint.ErrChanged) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one that names %s", err, path)
		}
	}
}
