package kernels

import (
	"unsafe"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// rowKernels multiply one row of x by groups of 1 or of 4 rows of w.
type rowKernels struct {
	one, four func(dst, x *float32, w *byte, stride, ahead uintptr, near, k, groups int)
}

// storedKernels multiply rows of x by weights as stored.
type storedKernels struct {
	rows  []rowKernels  // by type
	tiles []tileKernels // likewise
	outs  int           // outputs of a tile
	pairs bool          // tiles take the even ones of 16 BF16 elements first, then the odd ones
}

var intoCaches = storedKernels{
	rows: []rowKernels{
		tensor.BF16: {dotBF16_1, dotBF16_4},
		tensor.F16:  {dotF16_1, dotF16_4},
		tensor.F32:  {dotF32_1, dotF32_4},
	},
	tiles: []tileKernels{
		tensor.BF16: {2: tileBF16_2, 3: tileBF16_3, 4: tileBF16_4},
		tensor.F16:  {2: tileF16_2, 3: tileF16_3, 4: tileF16_4},
		tensor.F32:  {2: tileF32_2, 3: tileF32_3, 4: tileF32_4},
	},
	outs: 2, pairs: true,
}

var pastCaches = storedKernels{
	rows: []rowKernels{
		tensor.BF16: {dotBF16_1NT, dotBF16_4NT},
		tensor.F16:  {dotF16_1NT, dotF16_4NT},
		tensor.F32:  {dotF32_1NT, dotF32_4NT},
	},
	tiles: []tileKernels{
		tensor.BF16: {2: tileBF16_2NT, 3: tileBF16_3NT, 4: tileBF16_4NT},
		tensor.F16:  {2: tileF16_2NT, 3: tileF16_3NT, 4: tileF16_4NT},
		tensor.F32:  {2: tileF32_2NT, 3: tileF32_3NT, 4: tileF32_4NT},
	},
	outs: 2, pairs: true,
}

// inWide computes several rows in 512-bit registers; one row waits for memory.
var inWide = storedKernels{
	rows: intoCaches.rows,
	tiles: []tileKernels{
		tensor.BF16: {2: wideBF16_2, wideBF16_3, wideBF16_4, wideBF16_5, wideBF16_6},
		tensor.F16:  {2: wideF16_2, wideF16_3, wideF16_4, wideF16_5, wideF16_6},
		tensor.F32:  {2: wideF32_2, wideF32_3, wideF32_4, wideF32_5, wideF32_6},
	},
	outs: 4,
}

// aheadInRow is how many bytes ahead in a row weights are requested before use:
// of four rows, about 400 ns of one core (docs/adr/0126).
const aheadInRow = 1024

// matMul has two ways, for one row and for several; both give the same bits. Odd
// sizes go row by row.
func (k *storedKernels) matMul(j Job, lo, hi int) {
	if j.Rows > 1 && j.W.In%lanes == 0 {
		matMulTiled(k, &j, lo, hi)
		return
	}
	for r := range j.Rows {
		k.row(&j, r, lo, hi)
	}
}

// row computes outputs [lo, hi) of row r.
func (k *storedKernels) row(j *Job, r, lo, hi int) {
	w := &j.W
	dotGroups(j.Dst[r*j.DstStride:][lo:hi], j.X[r*j.XStride:][:w.In], &w.row(lo)[0], w.rowBytes(), k.rows[w.DType])
}

// dotGroups is dst[j] = x . row j of w, rows stride bytes apart.
func dotGroups(dst, x []float32, w *byte, stride int, k rowKernels) {
	step := uintptr(stride)
	n := len(dst) &^ 3
	ahead, near := aheadOf(stride, len(x))
	if n > 0 {
		k.four(&dst[0], unsafe.SliceData(x), w, step, ahead, near, len(x), n/4)
	}
	if n < len(dst) {
		rest := (*byte)(unsafe.Add(unsafe.Pointer(w), n*stride))
		k.one(&dst[n], unsafe.SliceData(x), rest, step, ahead, near, len(x), len(dst)-n)
	}
}

// aheadOf returns the distance in bytes at which weights of k elements, n bytes in
// all, are requested, and how many blocks of 16 elements have it among them.
func aheadOf(n, k int) (ahead uintptr, near int) {
	distance := min(aheadInRow, n)
	if k >= lanes {
		near = (n - distance) / (n / k * lanes)
	}
	return uintptr(distance), near
}
