// Package mem takes memory outside of Go's heap, for weights and for the KV cache, and
// maps files of weights.
//
// Gigabytes of them there would let the garbage collector put off its work until as
// much garbage has gathered, and what is freed would not go back to the machine at once.
package mem

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// HugePage is the size of large pages on amd64; arm64 has it too, among others.
const HugePage = 2 << 20

// Allocate returns n zero bytes, which the machine gives when they are first written.
func Allocate(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("no memory for %d bytes: %w", n, err)
	}
	preferHugePages(b)
	return b, nil
}

// Free gives memory of Allocate or MapFile back; nobody may touch it any more.
func Free(b []byte) {
	_ = unix.Munmap(b) // of nil: nothing
}

// preferHugePages asks for large pages in memory that nobody has touched yet. A
// product reads a matrix from end to end, and looking up small pages takes about
// 7 % of its time (docs/adr/0099). A kernel without them ignores it.
func preferHugePages(b []byte) {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	skip := int(-start % HugePage)
	if n := (len(b) - skip) / HugePage * HugePage; n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
