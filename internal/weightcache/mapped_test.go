package weightcache

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/olmoe-serving/olmoe-operator/internal/mem"
)

// loaded is a part that was kept and is loaded in the given way.
func loaded(t *testing.T, way int32) (c *Cache, got []byte) {
	t.Helper()
	c, log := logged("model", t.TempDir())
	want := bytesOf(4)
	c.Store(t.Context(), part, want, nil)
	c.folders[0].way.Store(way)
	if got = c.Load(t.Context(), part, len(want), nil); !bytes.Equal(got, want) {
		t.Fatalf("not what was kept: %s", log)
	}
	return c, got
}

func address(part []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(part))) }

// A part is the file's own memory, until it is freed, or a copy.
func TestWaysOfAFolder(t *testing.T) {
	for way, path := range map[int32]func(*Cache) string{mapping: (*Cache).path, reading: func(*Cache) string { return "" }} {
		c, got := loaded(t, way)
		for _, at := range []uintptr{address(got), address(got) + uintptr(len(got)) - 1} {
			if p := c.Holding(at); p != path(c) {
				t.Errorf("way %d: %q holds the part, want %q", way, p, path(c))
			}
		}
		if p := c.Holding(address(got) + uintptr(len(got))); p != "" {
			t.Errorf("way %d: %q holds what is behind the part", way, p)
		}
		at := address(got)
		c.Free(got)
		if p := c.Holding(at); p != "" {
			t.Errorf("way %d: %q holds what was freed", way, p)
		}
	}
}

// What decides is whether the kernel keeps the file in huge pages, which it can only
// where pieces of their size were written: the first part tells.
func TestTheFirstPartDecides(t *testing.T) {
	c, got := loaded(t, untried)
	huge := c.Holding(address(got)) != ""
	if huge != (c.folders[0].way.Load() == mapping) || huge && !mem.InHugePages(got) {
		t.Errorf("mapped %v, way %d", huge, c.folders[0].way.Load())
	}
	c, _ = logged("model", t.TempDir())
	c.Store(t.Context(), part, bytesOf(4)[:chunk-1], nil)
	if c.Load(t.Context(), part, chunk-1, nil) == nil || c.folders[0].way.Load() != untried {
		t.Error("a part smaller than a huge page decided")
	}
}

// A file that is written or cut under a mapping is told; one that another process made
// again, or removed, is not.
func TestChangedFiles(t *testing.T) {
	for name, change := range map[string]struct {
		to   func(t *testing.T, c *Cache) error
		told bool
	}{
		"nothing": {func(*testing.T, *Cache) error { return nil }, false},
		"written": {func(_ *testing.T, c *Cache) error {
			return os.Chtimes(c.path(), time.Time{}, time.Now().Add(time.Hour))
		}, true},
		"truncated":  {func(_ *testing.T, c *Cache) error { return os.Truncate(c.path(), chunk) }, true},
		"made again": {func(t *testing.T, c *Cache) error { c.Store(t.Context(), part, bytesOf(5), nil); return nil }, false},
		"removed":    {func(_ *testing.T, c *Cache) error { return os.Remove(c.path()) }, false},
	} {
		c, _ := loaded(t, mapping)
		if err := change.to(t, c); err != nil {
			t.Fatal(err)
		}
		if got := c.Changed(); (len(got) == 1 && got[0] == c.path()) != change.told || len(got) > 1 {
			t.Errorf("%s: %q changed", name, got)
		}
	}
}

// A file that is cut while it is checked is damaged, and no reason to fail.
func TestCutWhileItIsChecked(t *testing.T) {
	c, got := loaded(t, mapping)
	if err := os.Truncate(c.path(), 0); err != nil {
		t.Fatal(err)
	}
	nothing := func([]byte) error { return nil }
	if err := guarded(func() error { return footer{}.check(t.Context(), got, nil, nothing) }); !errors.Is(err, errDamaged) {
		t.Errorf("error %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a panic of another kind is no fault")
		}
	}()
	_ = guarded(func() error { panic("another") })
}

// A file that cannot be mapped is told apart from one that is damaged: it is read.
func TestAFileThatCannotBeMapped(t *testing.T) {
	c, _ := loaded(t, reading)
	f, err := os.OpenFile(c.path(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if part, err := c.mapPart(t.Context(), f, footer{size: chunk}, nil); part != nil || !errors.Is(err, errUnmapped) {
		t.Errorf("%d bytes, %v", len(part), err)
	}
}
