package weightcache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/olmoe-serving/olmoe-operator/internal/mem"
	"github.com/olmoe-serving/olmoe-operator/internal/pace"
)

// folder is where parts are. They are mapped if the kernel does so by huge pages, else
// read into memory that has such pages: a product is slower from small ones. The first
// part of a folder that is large enough decides (docs/adr/0151).
type folder struct {
	dir string
	way atomic.Int32
}

// The ways of a folder.
const (
	untried int32 = iota
	mapping
	reading
)

// maps tells whether a part of n bytes is to be mapped.
func (f *folder) maps(n int) bool { return n >= mem.HugePage && f.way.Load() != reading }

// huge tells whether a part that is mapped can stay so.
func (f *folder) huge(part []byte) bool {
	if f.way.Load() == untried {
		way := reading
		if mem.InHugePages(part) {
			way = mapping
		}
		f.way.CompareAndSwap(untried, way)
	}
	return f.way.Load() == mapping
}

// mapped is the parts that are used where their files are mapped.
type mapped struct {
	sync.Mutex
	files map[*byte]mappedFile // by the part's first byte
}

type mappedFile struct {
	path string
	part []byte
	base unix.Stat_t // when it was mapped
}

// errUnmapped is of a file that cannot be mapped at all, as on some FUSE file systems.
var errUnmapped = errors.New("cannot be mapped")

// mapPart maps a part and checks it.
func (c *Cache) mapPart(ctx context.Context, f *os.File, foot footer, p *pace.Pace) (part []byte, err error) {
	m := mappedFile{path: f.Name()}
	if err = unix.Fstat(int(f.Fd()), &m.base); err != nil { //nolint:gosec // a descriptor fits
		return nil, err
	}
	if m.part, err = mem.MapFile(f, int(foot.size)); err != nil { //nolint:gosec // it is what was asked for
		return nil, fmt.Errorf("%w: %w", errUnmapped, err)
	}
	if err = guarded(func() error { return foot.check(ctx, m.part, p, mem.Populate) }); err != nil {
		mem.Free(m.part)
		return nil, err
	}
	c.mapped.Lock()
	defer c.mapped.Unlock()
	if c.mapped.files == nil {
		c.mapped.files = map[*byte]mappedFile{}
	}
	c.mapped.files[unsafe.SliceData(m.part)] = m
	return m.part, nil
}

// guarded is f's error, or that of a file that was truncated under it.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = errDamaged
		}
	}()
	return f()
}

// Free gives memory of Load, or of mem.Allocate, back.
func (c *Cache) Free(part []byte) {
	if c != nil {
		c.mapped.Lock()
		delete(c.mapped.files, unsafe.SliceData(part))
		c.mapped.Unlock()
	}
	mem.Free(part)
}

// Holding is the path of the file that is mapped at an address; empty if none of these
// is.
func (c *Cache) Holding(addr uintptr) string {
	c.mapped.Lock()
	defer c.mapped.Unlock()
	for first, m := range c.mapped.files {
		if at := uintptr(unsafe.Pointer(first)); at <= addr && addr-at < uintptr(len(m.part)) {
			return m.path
		}
	}
	return ""
}

// Changed is the paths of mapped files that were written or truncated since. A path that
// names another file by now, or none, is no change: the mapping keeps the old one.
func (c *Cache) Changed() (paths []string) {
	c.mapped.Lock()
	files := slices.Collect(maps.Values(c.mapped.files))
	c.mapped.Unlock() // a file system may hang
	for _, m := range files {
		var now unix.Stat_t
		if err := unix.Stat(m.path, &now); err == nil && now.Dev == m.base.Dev && now.Ino == m.base.Ino &&
			(now.Size != m.base.Size || now.Mtim != m.base.Mtim) {
			paths = append(paths, m.path)
		}
	}
	return paths
}
