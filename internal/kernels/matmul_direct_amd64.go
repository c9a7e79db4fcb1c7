package kernels

import "github.com/olmoe-serving/olmoe-operator/internal/tensor"

const (
	// directRows rows of x of one stretch (16 KiB) fill half of a first-level
	// cache; the weights stream through the other half.
	directRows, directStretch = 4, 1024
	// directBlock is the number of outputs whose lanes are kept while a stretch
	// is done: long enough that its first weights, which no prefetch has asked
	// for, are few.
	directBlock = 32
	// maxDirectRows is the number of rows up to which weights are widened anew
	// for every four of them; beyond, it pays to do it once (measured).
	maxDirectRows = 12
)

// directKernels are indexed by rows; no split of 2 to 12 rows leaves one.
type directKernels [directRows + 1]func(acc, x *float32, w *byte, stride, ahead uintptr, blocks, groups int)

var directKernelsOf = [...]directKernels{
	tensor.BF16: {2: directBF16_2, 3: directBF16_3, 4: directBF16_4},
	tensor.F16:  {2: directF16_2, 3: directF16_3, 4: directF16_4},
	tensor.F32:  {2: directF32_2, 3: directF32_3, 4: directF32_4},
}

// directOuts is the number of outputs that a kernel takes at once, by rows.
var directOuts = [directRows + 1]int{2: 2, 3: 2, 4: 1}

// direct is the scratch of matMulDirect.
type direct struct {
	x    panels
	acc  []float32 // [maxDirectRows][directBlock][lanes]
	sums [directBlock]float32
}

var directScratch = newScratch[direct]()

// matMulDirect handles 2 to maxDirectRows rows of a multiple of 16 inputs.
func matMulDirect(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	d := directScratch.get()
	defer directScratch.put(d)
	d.acc = atLeast(d.acc, maxDirectRows*directBlock*lanes)
	d.x.stretch = directStretch
	d.x.pairs = w.DType == tensor.BF16 // the order in which its kernels widen
	reduce := reduceRows
	if d.x.pairs {
		reduce = reducePairs
	}
	d.x.pack(x, xStride, rows, w.In)
	end := lo + (hi-lo)/tileOuts*tileOuts // whole groups of every kernel
	for o := lo; o < end; o += directBlock {
		n := min(directBlock, end-o)
		d.outputs(w, o, n)
		for r := range rows {
			reduce(&d.sums[0], 4*tileOuts, &d.acc[r*directBlock*lanes], n/tileOuts)
			copy(dst[r*dstStride+o:][:n], d.sums[:])
		}
	}
	for r := 0; r < rows && end < hi; r++ {
		matMulRow(dst[r*dstStride:], x[r*xStride:], w, end, hi)
	}
}

// outputs fills the lanes of outputs [o, o+n) for all rows, stretch by stretch.
func (d *direct) outputs(w Weight, o, n int) {
	clear(d.acc[:d.x.rows*directBlock*lanes])
	step := uintptr(w.rowBytes())
	passes := (d.x.rows + directRows - 1) / directRows
	size := (d.x.rows + passes - 1) / passes // 5 rows as 3 and 2, not 4 and 1
	for s := range d.x.count() {
		k := s * directStretch
		blocks := min(w.In-k, directStretch) / lanes
		for r := 0; r < d.x.rows; r += size {
			rows := min(d.x.rows-r, size)
			directKernelsOf[w.DType][rows](&d.acc[r*directBlock*lanes], d.x.at(s, r), &w.at(o, k)[0],
				step, tileOuts*step, blocks, n/directOuts[rows])
		}
	}
}
