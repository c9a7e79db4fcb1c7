package kernels

import "golang.org/x/sys/cpu"

// hasVNNI tells whether this CPU has what avx512VNNI needs beyond avx2: Intel
// since Cascade Lake, AMD since Zen 4. The flags are set only where the operating
// system keeps registers of 512 bits as well.
func hasVNNI() bool {
	return cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512VNNI
}

// avx512VNNI is avx2 but for products in 8-bit form and for the limits: they are
// the machine's, so float32 kernels of 8 lanes count against 16.
var avx512VNNI = withVNNI(avx2)

func withVNNI(s kernelSet) kernelSet {
	s.name = "avx512-vnni"
	s.matMulInt8 = matMulInt8VNNI
	s.fma, s.fmaFlops = fmaAVX512, 12*16*2
	s.int8, s.int8Ops = int8VNNI, 12*64*2
	return s
}

const (
	vnniOuts  = 4 // outputs in a tile of several rows
	vnniAlone = 8 // outputs in a tile of one row
)

// vnniTiles, by rows.
var vnniTiles = [tileRows + 1]func(dst *float32, dstStride uintptr, x *byte, xStride uintptr, w *byte, wStride, ahead uintptr, groups, n int){
	1: vnniTile1x8, 2: vnniTile2x4, 3: vnniTile3x4, 4: vnniTile4x4,
}

// matMulInt8VNNI is matMulInt8AVX2 with wider tiles; the weights of the next tile
// are requested ahead. Outputs that do not fill a tile are left to int8Row.
func matMulInt8VNNI(dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	outs := vnniOuts
	if x.rows == 1 {
		outs = vnniAlone
	}
	step, groups, odd := uintptr(w.rowBytes()), int8Groups(w.In), hi-(hi-lo)%outs
	passes := (x.rows + tileRows - 1) / tileRows
	for i := range passes {
		r, end := part(x.rows, passes, i)
		if lo < odd {
			vnniTiles[end-r](&dst[r*dstStride+lo], uintptr(4*dstStride), &x.row(r)[0], uintptr(x.stride()),
				&w.row(lo)[0], step, uintptr(outs)*step, groups, (odd-lo)/outs)
		}
		for ; odd < hi && r < end; r++ {
			int8Row(dst[r*dstStride+odd:r*dstStride+hi], x, r, w, odd)
		}
	}
}
