package checkpoint

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A page fault in a mapped file also maps the pages around it (64 KiB on
// Linux), but never beyond the kernel's memory area that holds the address. An
// area is a run of pages with equal flags, so: everything starts as "random",
// what is loaded becomes "normal", and the border between the two keeps
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

// populate maps every page of a page-aligned range, reading the file where the
// page cache lacks it. The error is from the kernel: EFAULT where the file no
// longer reaches that far.
func populate(b []byte) error {
	_ = unix.Madvise(b, unix.MADV_WILLNEED) // start reading all of it at once
	err := unix.Madvise(b, unix.MADV_POPULATE_READ)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return nil // before Linux 5.14: the scan that follows touches every page
	}
	return err
}
