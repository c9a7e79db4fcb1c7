package kernels

// int8Kernel multiplies quantised rows by blocks of outputs.
type int8Kernel func(dst *float32, dstStride uintptr, x *byte, xStride uintptr, w *byte, wStride, ahead uintptr, near, groups, n int, next *byte, nextStep uintptr)

// int8Tile is a kernel for a number of rows of x.
type int8Tile struct {
	blocks int // of outputs that are taken together
	run    int8Kernel
}

// int8Tiles are the kernels of a kind of CPU.
type int8Tiles struct {
	one   int8Kernel // of one row and one block
	rows  []int8Tile // by rows
	ahead int        // bytes in a block after which weights are requested from memory
	share int        // of so many passes and more each requests a part of what follows
}

// Two blocks of one row, because memory is read faster in two streams
// (docs/adr/0126); there are no registers for two blocks of more rows.
var int8IntoCaches = int8Tiles{
	one:   int8Tile1x16,
	rows:  []int8Tile{1: {2, int8Tile1x32}, {1, int8Tile2x16}, {1, int8Tile3x16}, {1, int8Tile4x16}},
	ahead: 1 << 10, share: 2,
}

var int8PastCaches = int8Tiles{
	one:   int8Tile1x16NT,
	rows:  []int8Tile{1: {2, int8Tile1x32NT}, {1, int8Tile2x16NT}, {1, int8Tile3x16NT}, {1, int8Tile4x16NT}},
	ahead: 1 << 10, share: 3,
}

// matMul computes whole blocks of outputs where they are, others aside.
func (tiles *int8Tiles) matMul(j int8Job, lo, hi int) {
	for lo < hi {
		end := hi - hi%int8Block
		if lo%int8Block == 0 && lo < end {
			tiles.blocks(&j, lo, end)
		} else {
			end = min(lo-lo%int8Block+int8Block, hi)
			j.partOfBlock(lo, end)
		}
		lo = end
	}
}

// blocks reads the weights once for as many rows as there are tiles for, a task's
// weights (see taskBytes) again for the next ones. Blocks that do not fill a tile are
// computed row by row.
func (tiles *int8Tiles) blocks(j *int8Job, lo, hi int) {
	most := len(tiles.rows) - 1
	passes := (j.x.rows + most - 1) / most
	for i := range passes {
		p := pass{i, passes, passes >= tiles.share}
		r, end := part(j.x.rows, passes, i)
		t := &tiles.rows[end-r]
		whole := hi - (hi-lo)%(t.blocks*int8Block)
		t.run.blocks(j, r, lo, whole, t.blocks, tiles.ahead, p)
		for ; whole < hi && r < end; r++ {
			tiles.one.blocks(j, r, whole, hi, 1, tiles.ahead, pass{})
		}
	}
}

// blocks computes outputs [lo, hi) of the kernel's rows from r on, so many blocks at
// a time.
func (k int8Kernel) blocks(j *int8Job, r, lo, hi, together, ahead int, p pass) {
	if lo == hi {
		return
	}
	groups, block, w := int8Groups(j.w.In), int8BlockBytes(j.w.In), j.w.from(lo)
	ahead = min(ahead, block)
	near := groups - (ahead+blockGroup-1)/blockGroup
	n := (hi - lo) / int8Block
	next, step := p.next(w, n*block, n/together*groups)
	k(&j.dst[r*j.dstStride+lo], uintptr(4*j.dstStride), &j.x.row(r)[0], uintptr(j.x.stride()),
		&w[0], uintptr(block), uintptr(ahead), near, groups, n/together, next, step)
}

// partOfBlock computes outputs [lo, hi) of one block.
func (j *int8Job) partOfBlock(lo, hi int) {
	w := &j.w.block(lo)[0]
	for r := range j.x.rows {
		var sums [int8Block]float32
		int8Tile1x16(&sums[0], 0, &j.x.row(r)[0], 0, w, 0, 0, 0, int8Groups(j.w.In), 1, w, 0)
		copy(j.dst[r*j.dstStride+lo:r*j.dstStride+hi], sums[lo%int8Block:])
	}
}

func interleaveBlockAVX2(block []byte, q *int8Rows) {
	interleaveAVX2(&block[0], &q.row(0)[0], uintptr(q.stride()), int8Groups(q.in))
}

// quantiseAll leaves a last group that is not whole to the portable kernel.
func quantiseAll(groups func(dst *byte, x *float32, n int), rest func(row []byte, x []float32)) func([]byte, []float32) {
	return func(row []byte, x []float32) {
		whole := len(x) / int8Group
		if whole > 0 {
			groups(&row[0], &x[0], whole)
		}
		rest(row[whole*rowGroup:], x[whole*int8Group:])
	}
}

// quantiseBF16 leaves what the kernel leaves.
func quantiseBF16(row, w []byte) (groups int) {
	if groups = len(w) / (2 * int8Group); groups > 0 {
		groups -= quantiseBF16AVX2(&row[0], &w[0], groups)
	}
	return groups
}
