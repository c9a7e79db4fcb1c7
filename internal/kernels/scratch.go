package kernels

import "unsafe"

// scratch recycles working memory between calls. Unlike sync.Pool it never
// drops any, so that steady state allocates nothing at all; what it keeps is
// bounded by the number of calls that ever ran at once, and by maxScratch.
type scratch[T any] struct{ free chan *T }

// maxScratch is more than the cores a pod gets; beyond it memory is left to the
// garbage collector.
const maxScratch = 64

func newScratch[T any]() scratch[T] { return scratch[T]{make(chan *T, maxScratch)} }

// get returns used or zeroed memory.
func (s scratch[T]) get() *T {
	select {
	case t := <-s.free:
		return t
	default:
		return new(T)
	}
}

func (s scratch[T]) put(t *T) {
	select {
	case s.free <- t:
	default:
	}
}

// atLeast returns buf, or a new one if it is shorter than n. New buffers start
// on a cache line.
func atLeast(buf []float32, n int) []float32 {
	if len(buf) >= n {
		return buf
	}
	return aligned(n)
}

// aligned returns n float32 that start on a cache line.
func aligned(n int) []float32 {
	buf := make([]float32, n+lanes)
	off := int(-uintptr(unsafe.Pointer(&buf[0])) % 64 / 4)
	return buf[off : off+n]
}
