package model

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of large pages on amd64; arm64 has it too, among others.
const hugePage = 2 << 20

// PreferHugePages asks for large pages in memory that nobody has touched yet. A
// product reads a matrix from end to end, and looking up small pages takes about
// 7 % of its time (docs/adr/0099). A kernel without them ignores it.
func PreferHugePages(b []byte) {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	skip := int(-start % hugePage)
	if n := (len(b) - skip) / hugePage * hugePage; n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
