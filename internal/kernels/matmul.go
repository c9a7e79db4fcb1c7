package kernels

import "fmt"

// compute computes outputs [lo, hi) on the calling goroutine. Other elements of Dst are
// left alone, so ranges of one product may run concurrently. It panics if a slice is too
// short for the shape.
func (j *Job) compute(lo, hi int) {
	if j.Rows == 0 || lo == hi {
		return
	}
	j.check(lo, hi)
	if j.W.Int8 {
		j.computeInt8(lo, hi)
		return
	}
	step := taskOutputs(j.W, j.Rows)
	for ; lo < hi; lo += step {
		active.matMul(*j, lo, min(lo+step, hi))
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

// check guards the vector kernels, which have no bounds checks.
func (j *Job) check(lo, hi int) {
	w, rows, dstStride, xStride, dstLen, xLen := &j.W, j.Rows, j.DstStride, j.XStride, len(j.Dst), len(j.X)
	if j.Packed != nil {
		xStride, xLen = w.In, rows*w.In // there is no X to look at
	}
	switch {
	case j.Packed != nil && (!w.Int8 || len(j.Packed) != rows*PackedBytes(w.In)):
		panic(fmt.Sprintf("kernels: MatMul: %d packed bytes of %d rows of %d, 8-bit weights %v", len(j.Packed), rows, w.In, w.Int8))
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

func matMulPortable(j Job, lo, hi int) {
	buf := widenedRow.get()
	defer widenedRow.put(buf)
	*buf = atLeast(*buf, j.W.In)
	row := (*buf)[:j.W.In]
	for o := lo; o < hi; o++ {
		widenPortable(row, j.W.DType, j.W.row(o))
		for r := range j.Rows {
			j.Dst[r*j.DstStride+o] = dotPortable(row, j.X[r*j.XStride:])
		}
	}
}
