package weightcache

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"golang.org/x/sys/unix"

	"github.com/olmoe-serving/olmoe-operator/internal/pace"
)

const part = "model.layers.3.mlp.experts.17"

// fullDisk lets a cache keep things on a disk that has nearly no room: the tests need
// little of it.
const fullDisk = 1e-9

// bytesOf is a part of more than two chunks.
func bytesOf(seed uint64) []byte {
	b := make([]byte, 2*chunk+12345)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// logged is a cache that writes its log into a string.
func logged(key string, dirs ...string) (c *Cache, log *strings.Builder) {
	log = &strings.Builder{}
	return Open(key, funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{}), Folders{Dirs: dirs, Free: fullDisk}), log
}

func (c *Cache) path() string { return filepath.Join(c.own(), part) }

func wantCounts(t *testing.T, c *Cache, want map[Outcome]int64) {
	t.Helper()
	for name, o := range Outcomes {
		if got := c.Count(o); got != want[o] {
			t.Errorf("%s: %d, want %d", name, got, want[o])
		}
	}
}

func TestWhatIsKeptIsRead(t *testing.T) {
	dir, want := t.TempDir(), bytesOf(1)
	c, log := logged("model", dir)
	if c.Load(t.Context(), part, len(want), nil) != nil {
		t.Fatal("read what was never kept")
	}
	c.Store(t.Context(), part, want, pace.New(time.Millisecond))
	other, _ := logged("model", t.TempDir(), dir) // the second folder is read as well
	for _, c := range []*Cache{c, other} {
		got := c.Load(t.Context(), part, len(want), pace.New(time.Millisecond))
		if !bytes.Equal(got, want) {
			t.Error("what was kept is not read")
		}
		c.Free(got)
	}
	wantCounts(t, c, map[Outcome]int64{Miss: 1, Kept: 1, Hit: 1})
	if log.Len() > 0 {
		t.Errorf("log %q", log)
	}
}

func TestNoFoldersNoCache(t *testing.T) {
	c := Open("model", logr.Discard(), Folders{})
	c.Store(t.Context(), part, bytesOf(1), nil)
	if c.Load(t.Context(), part, 1, nil) != nil || c.Count(Miss) != 0 {
		t.Error("a cache without folders did something")
	}
}

// damages are what can befall a file; each is found, said, and mended by Store.
var damages = map[string]func(file []byte) []byte{
	"empty":               func([]byte) []byte { return nil },
	"cut below a footer":  func(b []byte) []byte { return b[:footerSize-1] },
	"cut before it":       func(b []byte) []byte { return b[:len(b)-footerSize] },
	"cut by a byte":       func(b []byte) []byte { return b[:len(b)-1] },
	"a byte more":         func(b []byte) []byte { return append([]byte{0}, b...) },
	"bit of the first":    func(b []byte) []byte { b[0] ^= 1; return b },
	"bit of the last":     func(b []byte) []byte { b[len(b)-footerSize-1] ^= 0x80; return b },
	"bit of the footer":   func(b []byte) []byte { foot(b)[30] ^= 4; return b },
	"two chunks swapped":  func(b []byte) []byte { return swapped(b, 0, chunk) },
	"zeros":               func(b []byte) []byte { clear(b[chunk:][:4096]); return b },
	"another program's":   func(b []byte) []byte { copy(foot(b), "\x7fELF"); return b },
	"another version":     func(b []byte) []byte { binary.LittleEndian.PutUint32(foot(b)[8:], version+1); return sealed(b) },
	"another size":        func(b []byte) []byte { binary.LittleEndian.PutUint64(foot(b)[16:], 1<<60); return sealed(b) },
	"another checkpoint":  func(b []byte) []byte { id := partID("other", part); copy(foot(b)[24:], id[:]); return sealed(b) },
	"another part's file": func(b []byte) []byte { id := partID("model", "x"); copy(foot(b)[24:], id[:]); return sealed(b) },
}

// foot is a file's footer.
func foot(b []byte) []byte { return b[len(b)-footerSize:] }

// swapped exchanges two chunks.
func swapped(b []byte, x, y int) []byte {
	first := bytes.Clone(b[x : x+chunk])
	copy(b[x:], b[y:y+chunk])
	copy(b[y:], first)
	return b
}

// sealed makes a changed footer's own digest right.
func sealed(b []byte) []byte {
	f := foot(b)
	binary.LittleEndian.PutUint32(f[60:], crc32.Checksum(f[:60], castagnoli))
	return b
}

func TestDamagedFilesAreFoundAndReplaced(t *testing.T) {
	want := bytesOf(2)
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			c, log := logged("model", t.TempDir())
			c.Store(t.Context(), part, want, nil)
			whole, err := os.ReadFile(c.path())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(c.path(), damage(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.Load(t.Context(), part, len(want), nil) != nil {
				t.Fatal("a damaged file was taken")
			}
			if !strings.Contains(log.String(), c.path()) {
				t.Errorf("the log does not name the file: %q", log)
			}
			c.Store(t.Context(), part, want, nil)
			if !bytes.Equal(c.Load(t.Context(), part, len(want), nil), want) {
				t.Error("it was not replaced")
			}
			wantCounts(t, c, map[Outcome]int64{Damaged: 1, Kept: 2, Hit: 1})
		})
	}
}

func TestOtherKeyIsAnotherFolder(t *testing.T) {
	dir, want := t.TempDir(), bytesOf(3)
	a, _ := logged("model at noon", dir)
	a.Store(t.Context(), part, want, nil)
	b, _ := logged("model, written again at one", dir)
	if b.Load(t.Context(), part, len(want), nil) != nil {
		t.Error("read what was made of other weights")
	}
}

// A folder or a FIFO in the place of a file is no reason to fail or to wait either: they may
// come with a checkpoint.
func TestOtherThanFileInPlaceOfFile(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"FIFO":   func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		c, _ := logged("model", t.TempDir())
		if err := os.MkdirAll(filepath.Dir(c.path()), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := put(c.path()); err != nil {
			t.Fatal(err)
		}
		if c.Load(t.Context(), part, 8, nil) != nil {
			t.Errorf("a %s was read", name)
		}
	}
}

// Processes that share a folder write and read the same parts at the same time:
// whoever reads gets all of a part or nothing, and no half file stays.
// A file where the folder should be holds nothing that could be damaged: nothing is
// said for each part.
func TestFileInPlaceOfFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, log := logged("model", file)
	if c.Load(t.Context(), part, 10, nil) != nil || log.Len() > 0 {
		t.Errorf("read, or told: %s", log)
	}
	wantCounts(t, c, map[Outcome]int64{Miss: 1})
}

func TestManyWritersAndReaders(t *testing.T) {
	dir, want := t.TempDir(), bytesOf(4)
	var all sync.WaitGroup
	for range 4 {
		c, log := logged("model", dir)
		all.Go(func() {
			for range 20 {
				c.Store(t.Context(), part, want, nil)
				if !bytes.Equal(c.Load(t.Context(), part, len(want), nil), want) {
					t.Errorf("not read: %s", log)
				}
			}
		})
	}
	all.Wait()
	c, _ := logged("model", dir)
	if entries, err := os.ReadDir(c.own()); err != nil || len(entries) != 1 {
		t.Errorf("%d files left, %v", len(entries), err)
	}
}

// unwritable checks that a cache which cannot be written says so once and that
// nothing else happens.
func unwritable(t *testing.T, dir string, reasons ...string) {
	t.Helper()
	c, log := logged("model", dir)
	for range 3 {
		c.Store(t.Context(), part, bytesOf(5), nil)
	}
	if c.Load(t.Context(), part, 9, nil) != nil || c.Count(Kept) != 0 {
		t.Error("something was kept")
	}
	said := 0
	for _, r := range reasons {
		said += strings.Count(log.String(), r)
	}
	if said != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("log %q, want one of %q, once", log, reasons)
	}
	if entries, err := os.ReadDir(c.own()); err == nil && len(entries) > 0 {
		t.Errorf("%s stays", entries[0].Name())
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		dir = mountTmpfs(t, unix.MS_RDONLY, "")
	} else if err := os.Chmod(dir, 0o500); err != nil { //nolint:gosec // a folder
		t.Fatal(err)
	}
	unwritable(t, dir, "read-only file system", "permission denied")
}

// A file system without room is left alone before it is full, and when another
// program takes the room meanwhile.
func TestFullDisk(t *testing.T) {
	unwritable(t, mountTmpfs(t, 0, "size=1m"), "would stay free")

	c, _ := logged("model", mountTmpfs(t, 0, "size=4m"))
	if err := os.MkdirAll(c.own(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(c.own()), "other"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.put(t.Context(), part, bytesOf(6), nil); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error %v", err)
	}
	if entries, _ := os.ReadDir(c.own()); len(entries) > 0 {
		t.Errorf("%s stays on a full disk", entries[0].Name())
	}
}

// TestKubeletsRoom: what a cache leaves free is more than kubelets ask for by default, of
// which the larger part is imagefs.available, 15 %.
func TestKubeletsRoom(t *testing.T) {
	dir := mountTmpfs(t, 0, "size=16m")
	c, log := logged("model", dir)
	c.free = FreeForKubelet
	fill(t, c)
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	if free := float64(s.Bavail) / float64(s.Blocks); free < 0.2 || free > 0.35 || !strings.Contains(log.String(), "would stay free") {
		t.Errorf("%.0f %% of the disk are free, log %q", 100*free, log)
	}
}

// TestLimit: the folder holds no more than it may, with what was there at the start. Parts of
// other checkpoints make room for those of the one in use, the one used last as late as
// possible; what this package has not written does not count, nor what could not be written.
func TestLimit(t *testing.T) {
	const limit = 18 << 20 // four parts
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), make([]byte, limit), 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, key := range []string{"model", "other"} {
		c := Open(key, logr.Discard(), Folders{Dirs: []string{dir}, Limit: limit, Free: fullDisk})
		for range 9 {
			c.Store(cancelled, part, bytesOf(1), nil)
		}
		c.Store(t.Context(), part, bytesOf(1), nil)
		if c.Count(Kept) != 1 {
			t.Errorf("%s: %d parts are kept, want 1", key, c.Count(Kept))
		}
		at := time.Now().Add(-time.Hour)
		if key == "model" {
			at = at.Add(-time.Hour)
		}
		if err := os.Chtimes(c.own(), at, at); err != nil {
			t.Fatal(err)
		}
	}
	log := &strings.Builder{}
	c := Open("third", funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{}), Folders{Dirs: []string{dir}, Limit: limit, Free: fullDisk})
	for i, others := range []int{2, 2, 1, 0} {
		c.Store(t.Context(), "first"+strconv.Itoa(i), bytesOf(1), nil)
		if n := len(c.others()); n != others {
			t.Errorf("%d other checkpoints have parts after %d were stored, want %d", n, i+1, others)
		}
	}
	fill := c.Count(Kept)
	c.Store(t.Context(), part, bytesOf(1), nil)
	if n := kept(dir); n > limit || fill != 4 || c.Count(Kept) != 4 || !strings.Contains(log.String(), "the limit of 18 MB is reached") {
		t.Errorf("the folder holds %d bytes, %d parts are kept, log %q", n, c.Count(Kept), log)
	}
}

// A part that does not fit at all takes nothing of others.
func TestLimitBelowAPart(t *testing.T) {
	dir := t.TempDir()
	c, _ := logged("model", dir)
	c.Store(t.Context(), part, []byte("x"), nil)
	c = Open("other", logr.Discard(), Folders{Dirs: []string{dir}, Limit: 1 << 20, Free: fullDisk})
	c.Store(t.Context(), part, bytesOf(1), nil)
	if c.Count(Kept) != 0 || len(c.others()) != 1 {
		t.Errorf("%d parts are kept, %d other checkpoints have some", c.Count(Kept), len(c.others()))
	}
}

// fill stores parts until there is no room.
func fill(t *testing.T, c *Cache) {
	t.Helper()
	for i := range 9 {
		c.Store(t.Context(), part+strconv.Itoa(i), bytesOf(1), nil)
	}
	if n := c.Count(Kept); n == 0 || n == 9 {
		t.Errorf("%d of 9 parts are kept", n)
	}
}

func mountTmpfs(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestInterruptedStoreLeavesNothing(t *testing.T) {
	c, log := logged("model", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.Store(ctx, part, bytesOf(7), nil)
	if entries, err := os.ReadDir(c.own()); err != nil || len(entries) != 0 || log.Len() != 0 {
		t.Errorf("%d files, %v, log %q", len(entries), err, log)
	}
	c.Store(t.Context(), part, bytesOf(7), nil)
	if c.Load(ctx, part, 2*chunk+12345, nil) != nil {
		t.Error("a load did not end with its context")
	}
	wantCounts(t, c, map[Outcome]int64{Kept: 1})
}

// The folder stays bounded: two other models' parts and nothing abandoned; what
// others have put there is left alone.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * time.Hour)
	paths := map[string]string{}
	for i, key := range []string{"oldest", "old", "recent"} {
		c, _ := logged(key, dir)
		paths[key] = c.own()
		c.Store(t.Context(), part, []byte("x"), nil)
		at := old.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(c.own(), at, at); err != nil {
			t.Fatal(err)
		}
	}
	user := filepath.Join(dir, "0123456789abcdeg")
	own, _ := logged("own", dir)
	for _, d := range []string{user, own.own()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, at := range map[string]time.Time{"a.1.tmp": old, "b.2.tmp": time.Now(), "kept": old} {
		path := filepath.Join(own.own(), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	again, _ := logged("own", dir)
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	for path, want := range map[string]bool{
		user: true, again.own(): true, paths["recent"]: true, paths["old"]: true, paths["oldest"]: false,
		filepath.Join(again.own(), "a.1.tmp"): false, filepath.Join(again.own(), "b.2.tmp"): true, filepath.Join(again.own(), "kept"): true,
	} {
		if exists(path) != want {
			t.Errorf("%s: exists %v, want %v", path, !want, want)
		}
	}
}

// FuzzFooter: whatever the bytes, they are refused or mean what they say.
func FuzzFooter(f *testing.F) {
	f.Add(footer{1, 2, partID("key", part)}.encode())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealedCopy(b)} {
			if h, err := decode(b); err == nil && !bytes.Equal(h.encode()[:56], b[:56]) {
				t.Errorf("%x is read as %+v", b, h)
			}
		}
	})
}

func sealedCopy(b []byte) []byte {
	b = append(bytes.Clone(b), make([]byte, footerSize)...)[:footerSize]
	copy(b, magic)
	return sealed(b)
}
