package mem

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MapFile maps the first n bytes of a file, to read, and asks for large pages: the
// kernel then reads ahead in large pieces, too. Free gives them back; the file may be
// closed before. Whoever touches bytes that the file no longer has gets SIGBUS.
func MapFile(f *os.File, n int) ([]byte, error) {
	b, err := unix.Mmap(int(f.Fd()), 0, n, unix.PROT_READ, unix.MAP_SHARED) //nolint:gosec // a descriptor fits
	if err != nil {
		return nil, fmt.Errorf("%s: %d bytes cannot be mapped: %w", f.Name(), n, err)
	}
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE)
	return b, nil
}

// Populate maps every page of a page-aligned range of a file, and reads those that the
// page cache lacks. The error is from the kernel: EFAULT where the file does not reach
// that far.
func Populate(b []byte) error {
	err := unix.Madvise(b, unix.MADV_POPULATE_READ)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return nil // before Linux 5.14: whoever reads touches every page
	}
	return err
}

// InHugePages tells whether most of a mapped file's range, which is populated and begins
// where a mapping does, is mapped by large pages. It reads /proc/self/smaps, all of it up
// to there; without that file the answer is no.
func InHugePages(b []byte) bool {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return 2*hugeBytes(f, uintptr(unsafe.Pointer(unsafe.SliceData(b)))) > len(b)
}

// hugeBytes is how much of the file mapped from start on is in large pages, by the text
// of smaps.
func hugeBytes(smaps io.Reader, start uintptr) int {
	lines, area, there := bufio.NewScanner(smaps), fmt.Sprintf("%08x-", start), false
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch {
		case strings.HasPrefix(name, area):
			there = true
		case there && name == "FilePmdMapped":
			var kB int
			_, _ = fmt.Sscan(value, &kB)
			return kB << 10
		}
	}
	return 0
}
