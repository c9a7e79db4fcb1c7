package weightcache

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// What counts against the limit is what files take on the disk: whole blocks.
func TestRoomIsCountedInBlocks(t *testing.T) {
	for _, c := range []struct {
		size, takes int
	}{{0, block}, {block - footerSize, block}, {block - footerSize + 1, 2 * block}, {2*block - footerSize, 2 * block}} {
		dir := t.TempDir()
		cache := Open("model", logr.Discard(), Folders{Dirs: []string{dir}, Limit: 1 << 20, Free: fullDisk})
		cache.Store(t.Context(), part, make([]byte, c.size), nil)
		if taken, found := cache.used.Load(), kept(dir); taken != int64(c.takes) || found != taken {
			t.Errorf("a part of %d bytes: %d are taken, %d found at the next start, want %d", c.size, taken, found, c.takes)
		}
	}
}

// A part that takes exactly what is allowed is kept.
func TestLimitOfExactlyAPart(t *testing.T) {
	for limit, want := range map[int64]int64{2 * block: 1, 2*block - 1: 0} {
		c := Open("model", logr.Discard(), Folders{Dirs: []string{t.TempDir()}, Limit: limit, Free: fullDisk})
		c.Store(t.Context(), part, make([]byte, block), nil)
		if n := c.Count(Kept); n != want {
			t.Errorf("%d parts are kept where %d bytes may be, want %d", n, limit, want)
		}
	}
}

// Of many checkpoints' parts those used last stay, whatever their folders are called.
func TestThoseUsedLastStay(t *testing.T) {
	dir, begun := t.TempDir(), time.Now()
	var dirs []string
	for i := range 6 {
		c := Open("model "+strconv.Itoa(i), logr.Discard(), Folders{Dirs: []string{dir}, Free: fullDisk})
		dirs = append(dirs, c.own())
	}
	for i, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		at := begun.Add(time.Duration(i-len(dirs)) * time.Minute)
		if err := os.Chtimes(d, at, at); err != nil {
			t.Fatal(err)
		}
	}
	Open("in use", logr.Discard(), Folders{Dirs: []string{dir}, Free: fullDisk})
	for i, d := range dirs {
		_, err := os.Stat(d)
		if stays := i >= len(dirs)-keepOthers; (err == nil) != stays {
			t.Errorf("folder %d of %d, the last one used last: %v", i+1, len(dirs), err)
		}
	}
}
