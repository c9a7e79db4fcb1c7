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
	for _, s := range c.shards {
		if s.contains(fault.Addr()) {
			return &Error{Kind: ErrChanged, Path: s.path, Problem: "mapped bytes can no longer be read; the file was truncated, or its disk failed"}
		}
	}
	return nil
}
