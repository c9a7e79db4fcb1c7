package model

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// trunkWith opens a trunk in 8-bit form with a cache.
func trunkWith(t *testing.T, dir, cacheDir string) (*Trunk, *weightcache.Cache) {
	t.Helper()
	ck, err := checkpoint.OpenAs(dir, checkpoint.Int8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ck.Close() })
	c := OpenCache(ck, logr.Discard(), weightcache.Folders{Dirs: []string{cacheDir}, Free: 1e-9})
	trunk, err := OpenTrunk(context.Background(), ck, c)
	if err != nil {
		t.Fatal(err)
	}
	return trunk, c
}

// sameTrunk compares every matrix, as stored or in 8-bit form.
func sameTrunk(a, b *Trunk) bool {
	same := slices.Equal(a.embed.Data, b.embed.Data) && slices.Equal(a.head.Data, b.head.Data)
	for i := range a.layers {
		x, y := &a.layers[i], &b.layers[i]
		same = same && slices.Equal(x.q.Data, y.q.Data) && slices.Equal(x.k.Data, y.k.Data) &&
			slices.Equal(x.v.Data, y.v.Data) && slices.Equal(x.o.Data, y.o.Data) && slices.Equal(x.gate.Data, y.gate.Data)
	}
	return same
}

// kept waits until so many parts are written: before that their folder is in use.
func kept(t *testing.T, c *weightcache.Cache, parts int64) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); c.Count(weightcache.Kept) < parts; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d parts kept", c.Count(weightcache.Kept), parts)
		}
	}
}

// A trunk is the same made or read, also where the output matrix is the embedding
// and where a file was cut; of a checkpoint that was written to it is made anew.
func TestTrunkFromCache(t *testing.T) {
	for _, tied := range []bool{false, true} {
		dir, cacheDir := write(t, func(o *synth.Options) { o.Tied = tied }), t.TempDir()
		want, c := trunkWith(t, dir, cacheDir)
		parts := int64(1 + 4*want.cfg.NumLayers)
		kept(t, c, parts)
		got, c := trunkWith(t, dir, cacheDir)
		if c.Count(weightcache.Hit) != parts || !sameTrunk(want, got) {
			t.Errorf("tied %v: %d of %d parts read, or other bytes", tied, c.Count(weightcache.Hit), parts)
		}
		head, err := filepath.Glob(filepath.Join(cacheDir, "*", want.cfg.OutputTensor()))
		if err != nil || len(head) != 1 || os.Truncate(head[0], 1000) != nil {
			t.Fatalf("no file of the output matrix: %q, %v", head, err)
		}
		got, c = trunkWith(t, dir, cacheDir)
		if c.Count(weightcache.Damaged) != 1 || c.Count(weightcache.Hit) != parts-1 || !sameTrunk(want, got) {
			t.Errorf("tied %v: a file that was cut was not made again", tied)
		}
		kept(t, c, 1)
		now := time.Now().Add(time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "model.safetensors"), now, now); err != nil {
			t.Fatal(err)
		}
		_, c = trunkWith(t, dir, cacheDir)
		if c.Count(weightcache.Miss) != parts {
			t.Errorf("tied %v: parts of a checkpoint that was written to since were taken", tied)
		}
		kept(t, c, parts)
	}
}
