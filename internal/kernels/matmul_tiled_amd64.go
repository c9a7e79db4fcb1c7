package kernels

const (
	// stretch is the number of elements of k taken together: 4 rows of x (16 KiB)
	// fill half of a first-level cache; the weights stream through the other half.
	stretch = 1024
	// outBlock is the number of outputs whose lanes are kept while a stretch is
	// done. Long enough that its first weights, which no prefetch has asked for,
	// are few; one stretch of its weights (64 KiB of BF16) is read again for the next
	// rows at once.
	outBlock = 32
	// rowBlock rows x outBlock outputs are 64 KiB of lanes, rowBlock rows of x of
	// one stretch 130 KiB: half of a second-level cache, with the weights.
	rowBlock = 32
)

// tileKernels, by rows from two on, add to lanes [rows][outBlock][lanes].
type tileKernels []func(acc, x *float32, w *byte, stride, ahead uintptr, near, blocks, groups int)

// tiled is the scratch of matMulTiled.
type tiled struct {
	x    panels
	acc  []float32 // [rowBlock][outBlock][lanes]
	sums [outBlock]float32
}

var tiledScratch = newScratch[tiled]()

// matMulTiled handles at least 2 rows of a multiple of 16 inputs.
func matMulTiled(k *storedKernels, j *Job, lo, hi int) {
	t := tiledScratch.get()
	defer tiledScratch.put(t)
	t.acc = atLeast(t.acc, rowBlock*outBlock*lanes)
	blocks := (j.Rows + rowBlock - 1) / rowBlock
	for i := range blocks {
		first, end := part(j.Rows, blocks, i)
		t.x.pack(j.X[first*j.XStride:], j.XStride, end-first, j.W, k.pairs)
		t.multiply(k, j.Dst[first*j.DstStride:], j.DstStride, j.W, lo, hi)
	}
	if odd := hi - (hi-lo)%k.outs; odd < hi {
		for r := range j.Rows {
			k.row(j, r, odd, hi)
		}
	}
}

// part is the i-th of n rows divided evenly: at least 2 each if n >= 2 and the
// parts are as few as their size limit allows (5 = 2 + 3, not 4 + 1).
func part(n, parts, i int) (lo, hi int) { return n * i / parts, n * (i + 1) / parts }

// multiply computes outputs [lo, hi), but for last ones that are no tile, of the packed rows.
func (t *tiled) multiply(k *storedKernels, dst []float32, dstStride int, w Weight, lo, hi int) {
	reduce := reduceLanes
	if t.x.pairs {
		reduce = reducePairs
	}
	for o := lo; o+k.outs <= hi; o += outBlock {
		n := min(outBlock, (hi-o)/k.outs*k.outs)
		t.outputs(k, w, o, n)
		for r := range t.x.rows {
			reduce(&t.sums[0], &t.acc[r*outBlock*lanes], (n+3)/4) // past n: not used
			copy(dst[r*dstStride+o:][:n], t.sums[:])
		}
	}
}

// outputs fills the lanes of outputs [o, o+n) for all rows, stretch by stretch.
func (t *tiled) outputs(k *storedKernels, w Weight, o, n int) {
	clear(t.acc[:t.x.rows*outBlock*lanes])
	step := uintptr(w.rowBytes())
	tiles := k.tiles[w.DType]
	passes := (t.x.rows + len(tiles) - 2) / (len(tiles) - 1)
	for s := range t.x.count() {
		from := s * stretch
		blocks := min(w.In-from, stretch) / lanes
		ahead, near := aheadOf(blocks*lanes*w.DType.Size(), blocks*lanes)
		for i := range passes {
			r, end := part(t.x.rows, passes, i)
			tiles[end-r](&t.acc[r*outBlock*lanes], t.x.at(s, r), &w.at(o, from)[0],
				step, ahead, near, blocks, n/k.outs)
		}
	}
}
