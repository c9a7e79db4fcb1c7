package kernels

import "unsafe"

// int8Tile is a kernel for a number of rows of x.
type int8Tile struct {
	outs, ahead int // outputs of a tile; outputs ahead that are requested from memory
	run         func(dst *float32, dstStride uintptr, x *byte, xStride uintptr, w *byte, wStride, ahead uintptr, groups, n int)
}

// int8Tiles, by rows. One and two rows wait for memory, which is read fastest as
// one stream; three and four are bound by arithmetic, and two outputs share x.
var int8Tiles = [tileRows + 1]int8Tile{
	1: {1, 1, int8Tile1x1}, 2: {1, 1, int8Tile2x1}, 3: {2, outsAhead, int8Tile3x2}, 4: {2, outsAhead, int8Tile4x2},
}

func matMulInt8AVX2(dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	matMulInt8By(&int8Tiles, dst, dstStride, x, w, lo, hi)
}

// matMulInt8By reads the weights once for up to four rows; what several such
// passes read stays in the second-level cache (see taskBytes). Outputs that do not
// fill a tile are left to int8Row.
func matMulInt8By(tiles *[tileRows + 1]int8Tile, dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	passes := (x.rows + tileRows - 1) / tileRows
	for i := range passes {
		r, end := part(x.rows, passes, i)
		t := &tiles[end-r]
		odd := hi - (hi-lo)%t.outs
		if lo < odd {
			step := uintptr(w.rowBytes())
			t.run(&dst[r*dstStride+lo], uintptr(4*dstStride), &x.row(r)[0], uintptr(x.stride()),
				&w.row(lo)[0], step, uintptr(t.ahead)*step, int8Groups(w.In), (odd-lo)/t.outs)
		}
		for ; odd < hi && r < end; r++ {
			int8Row(dst[r*dstStride+odd:r*dstStride+hi], x, r, w, odd)
		}
	}
}

// int8Row computes outputs from o on of row r.
func int8Row(dst []float32, x *int8Rows, r int, w Weight, o int) {
	step := uintptr(w.rowBytes())
	int8Tile1x1(&dst[0], 0, &x.row(r)[0], 0, &w.row(o)[0], step, step, int8Groups(w.In), len(dst))
}

// quantiseAVX2 leaves a last group that is not whole to the portable kernel.
func quantiseAVX2(row []byte, x []float32) {
	whole := len(x) / int8Group
	for g := 0; g < whole; g += int8Chunk {
		scale, values := scaleAndGroup(row, g)
		quantiseGroupsAVX2(&scale[0], &values[0], &x[g*int8Group], min(int8Chunk, whole-g))
	}
	if whole*int8Group < len(x) {
		scale, values := scaleAndGroup(row, whole)
		*(*float32)(unsafe.Pointer(&scale[0])) = quantiseGroup(values, x[whole*int8Group:])
	}
}
