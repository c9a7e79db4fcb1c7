package kernels

import "unsafe"

// int8Tiles, by rows, compute two outputs of two to four rows.
var int8Tiles = [tileRows + 1]func(dst *float32, dstStride uintptr, x *byte, xStride uintptr, w *byte, wStride, ahead uintptr, groups, n int){
	2: int8Tile2x2, 3: int8Tile3x2, 4: int8Tile4x2,
}

// matMulInt8AVX2 reads the weights once for up to four rows; what several such
// passes read stays in the second-level cache (see taskBytes). A set for AVX-512
// VNNI replaces three instructions of a group by VPDPBUSD, lane by lane the same.
func matMulInt8AVX2(dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	if x.rows == 1 {
		int8Row(dst[lo:hi], x, 0, w, lo)
		return
	}
	step, groups, odd := uintptr(w.rowBytes()), int8Groups(w.In), hi-(hi-lo)%tileOuts
	passes := (x.rows + tileRows - 1) / tileRows
	for i := range passes {
		r, end := part(x.rows, passes, i)
		if lo < odd {
			int8Tiles[end-r](&dst[r*dstStride+lo], uintptr(4*dstStride), &x.row(r)[0], uintptr(x.stride()),
				&w.row(lo)[0], step, outsAhead*step, groups, (odd-lo)/tileOuts)
		}
		for ; odd < hi && r < end; r++ {
			int8Row(dst[r*dstStride+odd:r*dstStride+hi], x, r, w, odd)
		}
	}
}

// int8Row computes outputs from o on of row r.
func int8Row(dst []float32, x *int8Rows, r int, w Weight, o int) {
	step, groups, row := uintptr(w.rowBytes()), int8Groups(w.In), &x.row(r)[0]
	n := len(dst) &^ 3
	if n > 0 {
		ahead := 4 * step
		for ahead < prefetchAhead {
			ahead += 4 * step
		}
		int8Tile1x4(&dst[0], 0, row, 0, &w.row(o)[0], step, ahead, groups, n/4)
	}
	if n < len(dst) {
		int8Tile1x1(&dst[n], 0, row, 0, &w.row(o + n)[0], step, step, groups, len(dst)-n)
	}
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
