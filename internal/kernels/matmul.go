package kernels

import "fmt"

// MatMulRange computes dst[r*dstStride+o] = sum_i x[r*xStride+i] * w[o,i] for
// rows r and outputs o in [lo, hi), on the calling goroutine. Other elements of
// dst are left alone, so ranges of one product may run concurrently. It panics
// if a slice is too short for the shape.
func MatMulRange(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	if rows == 0 || lo == hi {
		return
	}
	checkMatMul(len(dst), dstStride, len(x), xStride, rows, w, lo, hi)
	if w.Int8 {
		matMulInt8Range(dst, dstStride, x, xStride, rows, w, lo, hi)
		return
	}
	step := taskOutputs(w, rows)
	for ; lo < hi; lo += step {
		active.matMulRange(dst, dstStride, x, xStride, rows, w, lo, min(lo+step, hi))
	}
}

const (
	// taskBytes is the most weight one task reads: long against the cost of handing
	// out an index (~100 ns), short against a round. It also bounds the time in
	// one piece of assembly, which the garbage collector cannot interrupt.
	taskBytes = 160 << 10
	// tasksTogether is how many tasks that follow each other a worker takes at once:
	// memory is read faster in long streams (docs/adr/0126).
	tasksTogether = 16
	// Tasks with several rows have at least this many outputs, since each task
	// copies x into panels of its own.
	manyRowsOutputs = 64
	// taskAlign keeps the ranges of tasks whole groups of outputs of the vector
	// kernels, two blocks in 8-bit form, and whole cache lines of dst.
	taskAlign = 32
)

// taskOutputs is the number of outputs computed at once.
func taskOutputs(w Weight, rows int) int {
	n := taskBytes / w.rowBytes()
	if rows > 1 {
		n = max(n, manyRowsOutputs)
	}
	return max(n/taskAlign, 1) * taskAlign
}

// checkMatMul guards the vector kernels, which have no bounds checks.
func checkMatMul(dstLen, dstStride, xLen, xStride, rows int, w Weight, lo, hi int) {
	switch {
	case rows < 0 || w.In <= 0 || lo < 0 || lo > hi || hi > w.Out:
		panic(fmt.Sprintf("kernels: MatMul: rows %d, outputs [%d, %d) of %d", rows, lo, hi, w.Out))
	case len(w.Data) != w.size():
		panic(fmt.Sprintf("kernels: MatMul: weight has %d bytes, [%d, %d] %v needs %d",
			len(w.Data), w.Out, w.In, w.DType, w.size()))
	case rows > 1 && (dstStride < hi || xStride < w.In):
		panic(fmt.Sprintf("kernels: MatMul: strides %d, %d are shorter than rows of %d, %d", dstStride, xStride, hi, w.In))
	case dstLen < (rows-1)*dstStride+hi || xLen < (rows-1)*xStride+w.In:
		panic(fmt.Sprintf("kernels: MatMul: %d outputs, %d inputs are too few for %d rows of %d, %d",
			dstLen, xLen, rows, hi, w.In))
	}
}

// widenedRow recycles the float32 form of one weight row.
var widenedRow = newScratch[[]float32]()

func matMulRangePortable(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	buf := widenedRow.get()
	defer widenedRow.put(buf)
	*buf = atLeast(*buf, w.In)
	row := (*buf)[:w.In]
	for o := lo; o < hi; o++ {
		widenPortable(row, w.DType, w.row(o))
		for r := range rows {
			dst[r*dstStride+o] = dotPortable(row, x[r*xStride:])
		}
	}
}
