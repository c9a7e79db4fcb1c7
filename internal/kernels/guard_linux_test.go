package kernels

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// guarded returns n bytes that end where an unreadable page starts: one byte
// read beyond them is a fault, as at the end of a mapped file.
func guarded(t *testing.T, n int) []byte {
	t.Helper()
	page := unix.Getpagesize()
	size := (n+page-1)/page*page + page
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	if err := unix.Mprotect(m[size-page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return m[size-page-n : size-page : size-page]
}

// guardedFloats is guarded for n float32 equal to 1.
func guardedFloats(t *testing.T, n int) []float32 {
	t.Helper()
	if n == 0 {
		return nil
	}
	x := unsafe.Slice((*float32)(unsafe.Pointer(&guarded(t, 4*n)[0])), n)
	for i := range x {
		x[i] = 1
	}
	return x
}

func bytesOfFloats(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

// mustNotFault runs f with faults turned into panics and reports them.
func mustNotFault(t *testing.T, what string, f func()) {
	t.Helper()
	if v := recovered(func() { runInline(1, func(int) { f() }) }); v != nil {
		t.Errorf("%s: touched memory beyond a slice: %v", what, v)
	}
}

func TestGuardCatchesOneFloatTooMany(t *testing.T) {
	x := guardedFloats(t, 8)
	beyond := unsafe.Slice(&x[0], 9)
	for _, s := range available() {
		if recovered(func() { runInline(1, func(int) { s.max(beyond) }) }) == nil {
			t.Errorf("%s: a read beyond the mapping went unnoticed", s.name)
		}
	}
}

func TestMatMulStaysInsideWeightAndRows(t *testing.T) {
	for _, d := range dtypes {
		for _, in := range []int{1, 7, 16, 17, 31, 32, 48, 528} {
			for _, rows := range []int{1, 2, 3, 4, 5, 9, 50} {
				const out = 9
				w := Weight{Out: out, In: in, DType: d, Data: guarded(t, out*in*d.Size())}
				x, dst := guardedFloats(t, rows*in), guardedFloats(t, rows*out)
				for _, s := range available() {
					mustNotFault(t, fmt.Sprintf("%s %v rows=%d in=%d", s.name, d, rows, in), func() {
						s.matMul(Job{Dst: dst, DstStride: out, X: x, XStride: in, Rows: rows, W: w}, 0, out)
					})
				}
			}
		}
	}
}

func TestInt8StaysInsideWeightAndRows(t *testing.T) {
	for _, in := range []int{1, 31, 32, 33, 255, 256, 288, 530} {
		for _, rows := range []int{1, 2, 3, 4, 5, 9} {
			const out = 9
			w := Weight{Out: out, In: in, Int8: true, Data: guarded(t, Int8Bytes(out, in))}
			dst := guardedFloats(t, rows*out)
			q := int8Rows{rows: rows, in: in}
			q.buf = guarded(t, rows*q.stride())
			block := int8Rows{rows: int8Block, in: in}
			block.buf = guarded(t, int8Block*block.stride())
			x, bf16 := guardedFloats(t, in), guarded(t, 2*in)
			for _, s := range available() {
				mustNotFault(t, fmt.Sprintf("%s rows=%d in=%d", s.name, rows, in), func() {
					s.quantiseWeights(q.row(rows-1), x)
					s.quantiseRow(q.row(rows-1), x)
					s.quantiseBF16(q.row(rows-1), bf16)
					s.interleave(w.block(0), &block)
					s.matMulInt8(int8Job{dst, out, &q, w}, 0, out)
				})
			}
		}
	}
}

func TestVectorKernelsStayInside(t *testing.T) {
	for n := range 40 {
		a, b := guardedFloats(t, n), guardedFloats(t, n)
		c, d := guardedFloats(t, n), guardedFloats(t, n)
		rows := guardedFloats(t, 3*n)
		half := guarded(t, 2*n)
		for _, s := range available() {
			mustNotFault(t, fmt.Sprintf("%s n=%d", s.name, n), func() {
				s.axpy(a, b, 2)
				s.add(a, b)
				s.scale(a, 2)
				s.div(a, 2)
				s.clamp(a, 2)
				s.scaleMul(a, b, c, 2)
				s.siluMul(a, b, c)
				s.rope(a, b, c, d)
				s.max(a)
				s.expSum(a, 1)
				s.dot(a, b)
				s.carries(guarded(t, 33*n), 1, 1)
				if n > 0 {
					s.addProduct(rows, n, guardedFloats(t, 3), 1, 3, Block{tensor.BF16, half, 1, n}, half)
					s.addProduct(a, n, guardedFloats(t, 3), 3, 1, Block{tensor.F32, bytesOfFloats(rows), 3, n}, nil)
				}
				s.widen(a, tensor.BF16, half)
				s.widen(a, tensor.F16, half)
			})
		}
	}
}

// A mapped file that gets shorter faults inside the kernel, on whatever
// goroutine. The caller of the pool must see that as a panic it can tell apart.
func TestFaultOnTruncatedFileReachesCaller(t *testing.T) {
	const out, in = 64, 4096
	path := filepath.Join(t.TempDir(), "weights")
	if err := os.WriteFile(path, make([]byte, 2*out*in), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, 2*out*in, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	defer func() { _ = unix.Munmap(data) }()
	if err := os.Truncate(path, in); err != nil {
		t.Fatal(err)
	}

	w := Weight{Out: out, In: in, DType: tensor.BF16, Data: data}
	p := NewPool(2)
	defer p.Close()
	x, dst := make([]float32, in), make([]float32, out)
	for _, pool := range []*Pool{nil, p, p} {
		got, _ := recovered(func() { MatMul(pool, dst, x, 1, w) }).(error)
		var fault interface {
			runtime.Error
			Addr() uintptr
		}
		if !errors.As(got, &fault) {
			t.Errorf("%d workers: recovered %v, want a fault with an address", pool.Workers(), got)
		}
	}
}
