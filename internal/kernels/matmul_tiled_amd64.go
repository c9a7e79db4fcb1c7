package kernels

import "github.com/olmoe-serving/olmoe-operator/internal/tensor"

const (
	// A tile is 3 rows x 4 outputs: half of its lanes are 12 of 16 registers.
	tileRows, tileOuts = 3, 4
	// tileStretch is the number of elements of k taken together: 4 rows of
	// widened weights are 8 KiB and 3 rows of x 6 KiB, both stay in a
	// first-level cache.
	tileStretch = 512
	tileStride  = tileStretch + lanes
	// packedX is the number of float32 of x that are packed together: 3/4 of a
	// 512 KiB second-level cache.
	packedX = 96 << 10
)

// tileKernels, by rows, add to the lanes of count times as many rows x 4 outputs.
var tileKernels = [tileRows + 1]func(acc, x, w *float32, blocks, count int){1: tile1, 2: tile2, 3: tile3}

// tiled is the scratch of matMulTiled.
type tiled struct {
	x   panels
	w   []float32 // [tileOuts][tileStride], widened
	acc []float32 // [rows][tileOuts][lanes]
}

var tiledScratch = newScratch[tiled]()

// matMulTiled needs at least tileOuts outputs.
func matMulTiled(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	t := tiledScratch.get()
	defer tiledScratch.put(t)
	block := rowBlock(w.In)
	t.acc = atLeast(t.acc, min(rows, block)*tileOuts*lanes)
	t.w = atLeast(t.w, tileOuts*tileStride)
	t.x.stretch = tileStretch
	for r := 0; r < rows; r += block {
		t.x.pack(x[r*xStride:], xStride, min(rows-r, block), w.In)
		for o := lo; o < hi; o += tileOuts {
			first := min(o, hi-tileOuts) // the last tile may repeat outputs: equal bits
			t.outputs(dst[r*dstStride+first:], dstStride, w, first)
		}
	}
}

// rowBlock is the number of rows, a multiple of tileRows, that fill packedX.
func rowBlock(in int) int {
	return max(packedX/(padded(in)*tileRows), 1) * tileRows
}

// outputs computes [o, o+tileOuts) for all packed rows.
func (t *tiled) outputs(dst []float32, dstStride int, w Weight, o int) {
	clear(t.acc[:t.x.rows*tileOuts*lanes])
	for s := range t.x.count() {
		n := min(w.In-s*tileStretch, tileStretch)
		t.packWeights(w, o, s*tileStretch, n)
		t.multiply(s, padded(n)/lanes)
	}
	reduceRows(&dst[0], uintptr(4*dstStride), &t.acc[0], t.x.rows)
}

// packWeights widens n elements from k on of outputs [o, o+tileOuts).
func (t *tiled) packWeights(w Weight, o, k, n int) {
	for i := range tileOuts {
		to := t.w[i*tileStride:][:padded(n)]
		widenAhead(to[:n], w.DType, w.at(o+i, k)[:n*w.DType.Size()], tileOuts*w.rowBytes())
		clear(to[n:])
	}
}

// multiply adds the products of stretch s of all rows with the packed weights.
func (t *tiled) multiply(s, blocks int) {
	whole := t.x.rows / tileRows
	if whole > 0 {
		tile3(&t.acc[0], t.x.at(s, 0), &t.w[0], blocks, whole)
	}
	done := whole * tileRows
	if rest := t.x.rows - done; rest > 0 {
		tileKernels[rest](&t.acc[done*tileOuts*lanes], t.x.at(s, done), &t.w[0], blocks, 1)
	}
}

// widenAhead widens src and prefetches the bytes that far ahead.
func widenAhead(dst []float32, t tensor.DType, src []byte, ahead int) {
	n := len(dst) / 8
	switch {
	case n == 0:
	case t == tensor.BF16:
		widenBF16(&dst[0], &src[0], uintptr(ahead), n)
	case t == tensor.F16:
		widenF16(&dst[0], &src[0], uintptr(ahead), n)
	case t == tensor.F32:
		widenF32(&dst[0], &src[0], uintptr(ahead), n)
	}
	widenPortable(dst[8*n:], t, src[8*n*t.Size():])
}
