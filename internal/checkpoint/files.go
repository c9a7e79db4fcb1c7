package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// openFile is the one way to open a file of a checkpoint: a regular one, or a link to one.
// What else may have its name would hang its reader (a FIFO that nobody writes to, unless it is
// opened without waiting) or never end (a device).
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) //nolint:gosec // of the directory that the user names
	if err != nil {
		return nil, openError(path, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = fileError(path, "cannot be examined", err)
	case !info.Mode().IsRegular():
		err = fileError(path, "is not a regular file", nil)
	default:
		return f, nil
	}
	_ = f.Close()
	return nil, err
}

// ReadFile reads a whole file of a checkpoint, of at most limit bytes. Errors satisfy
// errors.Is with ErrNotFound, ErrDangling, ErrUnreadable or ErrInvalid.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError(path, "cannot be read", err)
	}
	if int64(len(raw)) > limit {
		return nil, fileError(path, fmt.Sprintf("is larger than %d bytes", limit), nil)
	}
	return raw, nil
}

// openError tells a missing file from one that cannot be opened.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return &Error{Kind: ErrUnreadable, Path: path, Problem: "cannot be opened", Cause: err}
	case !errors.Is(err, os.ErrNotExist):
		return fileError(path, "cannot be opened", err)
	}
	if target, err := os.Readlink(path); err == nil {
		return &Error{Kind: ErrDangling, Path: path, Problem: fmt.Sprintf("is a symbolic link to %s, which is not there", target)}
	}
	return &Error{Kind: ErrNotFound, Path: path, Problem: "does not exist"}
}
