package kernels

// int8Tile is a kernel for a number of rows of x.
type int8Tile struct {
	blocks int // of outputs that are taken together
	run    func(dst *float32, dstStride uintptr, x *byte, xStride uintptr, w *byte, wStride, ahead uintptr, groups, n int)
}

// int8Tiles, by rows.
var int8Tiles = []int8Tile{1: {1, int8Tile1x16}, {1, int8Tile2x16}, {1, int8Tile3x16}, {1, int8Tile4x16}}

// int8Ahead is how far ahead weights are requested from memory: about 300 ns for
// one core.
const int8Ahead = 4 << 10

func matMulInt8AVX2(dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	matMulInt8By(int8Tiles, dst, dstStride, x, w, lo, hi)
}

// matMulInt8By computes whole blocks of outputs where they are, others aside.
func matMulInt8By(tiles []int8Tile, dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	for lo < hi {
		end := hi - hi%int8Block
		if lo%int8Block == 0 && lo < end {
			int8Blocks(tiles, dst[lo:], dstStride, x, w, lo, end)
		} else {
			end = min(lo-lo%int8Block+int8Block, hi)
			int8Part(dst, dstStride, x, w, lo, end)
		}
		lo = end
	}
}

// int8Blocks reads the weights once for as many rows as there are tiles for; what
// several such passes read stays in the second-level cache (see taskBytes). Blocks
// that do not fill a tile are computed row by row.
func int8Blocks(tiles []int8Tile, dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	most := len(tiles) - 1
	passes := (x.rows + most - 1) / most
	for i := range passes {
		r, end := part(x.rows, passes, i)
		t := &tiles[end-r]
		blocks := (hi - lo) / int8Block
		n := blocks / t.blocks
		if n > 0 {
			t.run(&dst[r*dstStride], uintptr(4*dstStride), &x.row(r)[0], uintptr(x.stride()),
				&w.block(lo)[0], uintptr(int8BlockBytes(w.In)), int8Ahead, int8Groups(w.In), n)
		}
		for ; n*t.blocks < blocks && r < end; r++ {
			tiles[1].run(&dst[r*dstStride+n*t.blocks*int8Block], 0, &x.row(r)[0], 0,
				&w.block(lo + n*t.blocks*int8Block)[0], uintptr(int8BlockBytes(w.In)), int8Ahead, int8Groups(w.In), blocks-n*t.blocks)
		}
	}
}

// int8Part computes outputs [lo, hi) of one block.
func int8Part(dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	for r := range x.rows {
		var sums [int8Block]float32
		int8Tile1x16(&sums[0], 0, &x.row(r)[0], 0, &w.block(lo)[0], 0, 0, int8Groups(w.In), 1)
		copy(dst[r*dstStride+lo:r*dstStride+hi], sums[lo%int8Block:])
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
