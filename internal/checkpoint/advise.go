package checkpoint

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/olmoe-serving/olmoe-operator/internal/mem"
)

// A page fault in a mapped file also maps the pages around it (64 KiB on
// Linux), but never beyond the kernel's memory area that holds the address. An
// area is a run of pages with equal flags, so: everything starts as "random",
// what is loaded becomes "normal" or "huge", and the border between the two keeps
// neighbouring tensors out of a process's memory (docs/adr/0011).
//
// Advice is only advice: where a kernel refuses it, the bytes are the same.

var pageSize = os.Getpagesize()

// pages widens [lo, hi) to whole pages of data.
func pages(data []byte, lo, hi int) []byte {
	lo -= lo % pageSize
	hi += (pageSize - hi%pageSize) % pageSize
	return data[lo:min(hi, len(data))]
}

// innerPages narrows [lo, hi) to the pages that hold nothing else.
func innerPages(data []byte, lo, hi int) []byte {
	lo += (pageSize - lo%pageSize) % pageSize
	if hi != len(data) {
		hi -= hi % pageSize
	}
	if lo >= hi {
		return nil
	}
	return data[lo:hi]
}

// markUnused makes a page-aligned range an area of its own, apart from what is
// loaded.
func markUnused(b []byte) {
	if len(b) > 0 {
		_ = unix.Madvise(b, unix.MADV_RANDOM)
	}
}

// markLoaded makes a page-aligned range an area that may be read ahead.
func markLoaded(b []byte) { _ = unix.Madvise(b, unix.MADV_NORMAL) }

// drop gives the pages back; touching them again reads the file again.
func drop(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }

// hugeFiles: since Linux 5.18 a fault in an area that is both huge and random reads
// exactly one huge page of the file, and before it, or where small pages are not of
// 4 KiB and huge ones of another size, a single small one.
var hugeFiles = pageSize == 4<<10 && kernelSince(5, 18)

// kernelSince tells whether the kernel is of this version or a later one.
func kernelSince(major, minor int) bool {
	var u unix.Utsname
	var a, b int
	if unix.Uname(&u) != nil {
		return false
	}
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b)
	return n == 2 && (a > major || a == major && b >= minor)
}

// markRun makes the bytes [lo, hi) of data areas that may be loaded: huge pages,
// whole ones, are left as "random", so that no fault reads beyond them, and what is
// before and after them is "normal" and read ahead at once. It returns whether
// populate has to read ahead (docs/adr/0122).
func markRun(data []byte, lo, hi int) (ahead bool) {
	from, to := hugePages(data, lo, hi)
	if !hugeFiles || from >= to || unix.Madvise(data[from:to], unix.MADV_HUGEPAGE) != nil {
		markLoaded(pages(data, lo, hi))
		return true
	}
	for _, edge := range [][]byte{pages(data, lo, from), pages(data, to, hi)} {
		if len(edge) > 0 {
			markLoaded(edge)
			_ = unix.Madvise(edge, unix.MADV_WILLNEED)
		}
	}
	return false
}

// hugePages narrows [lo, hi) to whole huge pages, by their place in the file. The
// kernel maps files of this size so that it is their place in memory, too; where it
// does not, pages are small.
func hugePages(data []byte, lo, hi int) (from, to int) {
	from, to = (lo+mem.HugePage-1)/mem.HugePage*mem.HugePage, hi/mem.HugePage*mem.HugePage
	return from, min(to, len(data))
}

// populate maps every page of a page-aligned range, reading the file where the
// page cache lacks it, all of it at once if ahead. The error is from the kernel:
// EFAULT where the file no longer reaches that far.
func populate(b []byte, ahead bool) error {
	if ahead {
		_ = unix.Madvise(b, unix.MADV_WILLNEED)
	}
	return mem.Populate(b)
}
