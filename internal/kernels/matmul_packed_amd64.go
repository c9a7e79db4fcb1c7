package kernels

import (
	"sync"
	"unsafe"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

const (
	// panelOuts and tileRows are the shape of a tile: 3 rows x 4 outputs x half
	// of the lanes are 12 of the 16 registers.
	panelOuts = 4
	tileRows  = 3
	// panelBlocks is the length of a panel in blocks of 16 elements: 8 KiB of
	// widened weights, which stay in the first-level cache with 3 rows of x.
	panelBlocks = 32
	// rowBlock is the number of rows of x taken together: at 2048 inputs they
	// fill 3/4 of a 512 KiB second-level cache. Weights are widened once for each.
	rowBlock = 48
)

// packed is the scratch of matMulPacked.
type packed struct {
	panel, acc []float32
}

var packedScratch = sync.Pool{New: func() any {
	const panel, acc = panelBlocks * panelOuts * lanes, rowBlock * panelOuts * lanes
	buf := aligned(panel + acc)
	return &packed{panel: buf[:panel], acc: buf[panel:]}
}}

// aligned returns n float32 that start on a cache line.
func aligned(n int) []float32 {
	buf := make([]float32, n+lanes)
	off := int(-uintptr(unsafe.Pointer(&buf[0])) % 64 / 4)
	return buf[off : off+n]
}

// matMulPacked widens panels of weights and uses each for up to rowBlock rows.
// w.In must be a multiple of 16 and hi-lo at least panelOuts.
func matMulPacked(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	s := packedScratch.Get().(*packed)
	defer packedScratch.Put(s)
	for r := 0; r < rows; r += rowBlock {
		n := min(rows-r, rowBlock)
		for o := lo; o < hi; o += panelOuts {
			first := min(o, hi-panelOuts) // the last panel may repeat outputs: equal bits
			s.panelOutputs(dst[r*dstStride+first:], dstStride, x[r*xStride:], xStride, n, w, first)
		}
	}
}

// panelOutputs computes outputs [o, o+panelOuts) of up to rowBlock rows.
func (s *packed) panelOutputs(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, o int) {
	clear(s.acc[:rows*panelOuts*lanes])
	panel, acc, xs := &s.panel[0], &s.acc[0], uintptr(4*xStride)
	for k := 0; k < w.In; k += panelBlocks * lanes {
		blocks := min(w.In-k, panelBlocks*lanes) / lanes
		pack(w.DType, panel, &w.row(o)[k*w.DType.Size()], uintptr(w.rowBytes()), blocks)
		full := rows / tileRows
		if full > 0 {
			tile3(acc, &x[k], xs, panel, blocks, full)
		}
		last := full * tileRows
		switch rows - last {
		case 1:
			tile1(&s.acc[last*panelOuts*lanes], &x[last*xStride+k], xs, panel, blocks, 1)
		case 2:
			tile2(&s.acc[last*panelOuts*lanes], &x[last*xStride+k], xs, panel, blocks, 1)
		}
	}
	reducePanel(&dst[0], uintptr(4*dstStride), acc, rows)
}

func pack(t tensor.DType, panel *float32, w *byte, wStride uintptr, blocks int) {
	switch t {
	case tensor.BF16:
		packBF16(panel, w, wStride, blocks)
	case tensor.F16:
		packF16(panel, w, wStride, blocks)
	case tensor.F32:
		packF32(panel, w, wStride, blocks)
	}
}
