package checkpoint

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shard is one weights file, open and mapped read-only for as long as the
// Checkpoint lives.
type shard struct {
	path    string
	file    *os.File
	data    []byte      // the whole file
	base    unix.Stat_t // as it was before its header was read
	entries []entry     // in file order
	sum     digest      // of the entries and of sampled weights
}

// openShard opens a file, checks its header and maps it.
func openShard(path string) (*shard, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	s := &shard{path: path, file: f}
	if err := s.read(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// read fills in everything but the path and the file.
func (s *shard) read() error {
	if err := unix.Fstat(int(s.file.Fd()), &s.base); err != nil {
		return fileError(s.path, "cannot be examined", err)
	}
	var err error
	if s.entries, err = readHeader(s.path, s.file, s.base.Size); err != nil {
		return err
	}
	if s.sum, err = s.contentSum(); err != nil {
		return err
	}
	s.data, err = unix.Mmap(int(s.file.Fd()), 0, int(s.base.Size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fileError(s.path, fmt.Sprintf("%d bytes cannot be mapped", s.base.Size), err)
	}
	markUnused(s.data)
	return nil
}

// contains reports whether an address lies in the mapping.
func (s *shard) contains(addr uintptr) bool {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(s.data)))
	return addr >= start && addr-start < uintptr(len(s.data))
}

// close unmaps and closes what is open. Both can only fail on a bad argument.
func (s *shard) close() {
	if s.data != nil {
		_ = unix.Munmap(s.data)
		s.data = nil
	}
	_ = s.file.Close()
}
