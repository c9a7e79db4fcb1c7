package kernels

import "github.com/olmoe-serving/olmoe-operator/internal/tensor"

// dotKernel is the form of the kernels that use the weights as stored.
type dotKernel func(dst *float32, dstStride uintptr, x *float32, xStride uintptr,
	w *byte, wStride, ahead uintptr, k, groups int)

// maxDirectRows is the number of rows up to which the weights are used as
// stored. The work is then bound by memory; with more rows it pays to widen
// them once (measured, see BenchmarkMatMul).
const maxDirectRows = 4

// directKernels are indexed by type and rows; [0] handles one row, one output.
var directKernels = [...][maxDirectRows + 1]dotKernel{
	tensor.BF16: {dotBF16_1x1, dotBF16_1x4, dotBF16_2x2, dotBF16_3x2, dotBF16_4x1},
	tensor.F16:  {dotF16_1x1, dotF16_1x4, dotF16_2x2, dotF16_3x2, dotF16_4x1},
	tensor.F32:  {dotF32_1x1, dotF32_1x4, dotF32_2x2, dotF32_3x2, dotF32_4x1},
}

// directOuts is the number of outputs that directKernels[rows] takes at once.
var directOuts = [maxDirectRows + 1]int{1, 4, 2, 2, 1}

// prefetchAhead is the least distance in bytes at which weights are requested
// before use: about 100 ns of memory latency at 20 GB/s, twice.
const prefetchAhead = 4096

func matMulRangeAVX2(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	if rows > maxDirectRows && w.In%lanes == 0 && hi-lo >= panelOuts {
		matMulPacked(dst, dstStride, x, xStride, rows, w, lo, hi)
		return
	}
	for r := 0; r < rows; r += maxDirectRows {
		n := min(rows-r, maxDirectRows)
		matMulDirect(dst[r*dstStride:], dstStride, x[r*xStride:], xStride, n, w, lo, hi)
	}
}

// matMulDirect handles up to maxDirectRows rows.
func matMulDirect(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	kernel, outs := directKernels[w.DType][rows], directOuts[rows]
	ds, xs, ws := uintptr(4*dstStride), uintptr(4*xStride), uintptr(w.rowBytes())
	ahead := uintptr(outs) * ws
	for ahead < prefetchAhead {
		ahead += uintptr(outs) * ws
	}
	groups := (hi - lo) / outs
	if groups > 0 {
		kernel(&dst[lo], ds, &x[0], xs, &w.row(lo)[0], ws, ahead, w.In, groups)
	}
	rest := lo + groups*outs
	for r := 0; r < rows && rest < hi; r++ {
		directKernels[w.DType][0](&dst[r*dstStride+rest], 0, &x[r*xStride], 0, &w.row(rest)[0], ws, ahead, w.In, hi-rest)
	}
}
