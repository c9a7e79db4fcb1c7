package checkpoint

import (
	"errors"
	"runtime/debug"
)

// Guard runs f and turns a memory fault inside one of this checkpoint's
// mappings into ErrChanged naming the file: reading beyond the end of a file
// that was truncated raises SIGBUS, which would otherwise kill the process. A
// panic of any other kind goes on.
//
// It covers the calling goroutine only. A worker pool that f uses must set
// debug.SetPanicOnFault in its workers and panic in the caller with the value
// that it recovered.
func (c *Checkpoint) Guard(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if err = c.FaultError(r); err == nil {
				panic(r)
			}
		}
	}()
	f()
	return nil
}

// Mapped is files outside of the checkpoint from which its weights are used as well.
type Mapped interface {
	Holding(address uintptr) (path string) // of the file mapped there; empty if none is
	Changed() (paths []string)             // of files that were written or truncated since they were mapped
}

// Join lets Guard and Watch look at other files, too: what holds for the checkpoint's
// own holds for them. It comes before both.
func (c *Checkpoint) Join(m Mapped) { c.joined = m }

// FaultError is what Guard makes of a recovered panic: ErrChanged if it is a
// fault in a mapping, else nil.
func (c *Checkpoint) FaultError(recovered any) error {
	var fault interface {
		error
		Addr() uintptr
	}
	if err, ok := recovered.(error); !ok || !errors.As(err, &fault) {
		return nil
	}
	path := ""
	for _, s := range c.shards {
		if s.contains(fault.Addr()) {
			path = s.path
		}
	}
	if path == "" && c.joined != nil {
		path = c.joined.Holding(fault.Addr())
	}
	if path == "" {
		return nil
	}
	return &Error{Kind: ErrChanged, Path: path, Problem: "mapped bytes can no longer be read; the file was truncated, or its disk failed"}
}
