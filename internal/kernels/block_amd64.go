package kernels

import (
	"unsafe"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// blockRows x BlockCols is the tile of addProduct for several rows; wideCols that of
// one row, and of several in wide registers, where there are as many columns.
const (
	blockRows = 6
	wideCols  = 64
)

type (
	tileProduct func(dst, a *float32, b *byte, dstStride, aStride, bStride uintptr, k int)
	rowProduct  func(dst, a *float32, b *byte, bStride, ahead uintptr, k int)
	fourProduct func(dst, a *float32, b0, b1, b2, b3, next0, next1, next2, next3 *byte, k int)
)

// blockKernels are those of one stored type.
type blockKernels struct {
	tile, wideTile tileProduct // of BlockCols and, where there is one, of wideCols
	narrow, wide   rowProduct
	four           fourProduct
}

// blockSet are the kernels by stored type.
type blockSet map[tensor.DType]*blockKernels

var blocksAVX2 = blockSet{
	tensor.BF16: {blockBF16_6x16, nil, blockBF16_1x16, blockBF16_1x64, blockBF16_1x16x4},
	tensor.F32:  {blockF32_6x16, nil, blockF32_1x16, blockF32_1x64, blockF32_1x16x4},
}

// blocksAVX512 has wide registers for several rows or blocks; a row of one block is a
// chain of sums that they do not shorten.
var blocksAVX512 = blockSet{
	tensor.BF16: {wideBlockBF16_6x16, wideBlockBF16_6x64, blockBF16_1x16, blockBF16_1x64, wideBlockBF16_1x16x4},
	tensor.F32:  {wideBlockF32_6x16, wideBlockF32_6x64, blockF32_1x16, blockF32_1x64, wideBlockF32_1x16x4},
}

func (set blockSet) addProducts(dst, a []float32, t tensor.DType, b, next [BlocksTogether][]byte) {
	p := func(i int) *byte { return unsafe.SliceData(b[i]) }
	n := func(i int) *byte { return unsafe.SliceData(next[i]) } // that there is none does no harm
	set[t].four(&dst[0], &a[0], p(0), p(1), p(2), p(3), n(0), n(1), n(2), n(3), len(a))
}

// addProduct leaves columns that do not fill a tile to the portable kernel: same
// order, same bits.
func (set blockSet) addProduct(dst []float32, dstStride int, a []float32, aStride, rows int, b Block, next []byte) {
	f := set[b.DType]
	size := b.DType.Size()
	step, full := uintptr(b.Cols*size), b.Cols&^(BlockCols-1)
	r := 0
	for ; rows-r >= blockRows; r += blockRows {
		c := 0
		for ; f.wideTile != nil && full-c >= wideCols; c += wideCols {
			f.wideTile(&dst[r*dstStride+c], &a[r*aStride], &b.Data[c*size], uintptr(4*dstStride), uintptr(4*aStride), step, b.K)
		}
		for ; c < full; c += BlockCols {
			f.tile(&dst[r*dstStride+c], &a[r*aStride], &b.Data[c*size], uintptr(4*dstStride), uintptr(4*aStride), step, b.K)
		}
	}
	ahead := uintptr(0)
	if len(next) > 0 {
		ahead = uintptr(unsafe.Pointer(&next[0])) - uintptr(unsafe.Pointer(&b.Data[0]))
	}
	for ; r < rows; r++ {
		c := 0
		for ; full-c >= wideCols; c += wideCols {
			f.wide(&dst[r*dstStride+c], &a[r*aStride], &b.Data[c*size], step, ahead, b.K)
		}
		for ; c < full; c += BlockCols {
			f.narrow(&dst[r*dstStride+c], &a[r*aStride], &b.Data[c*size], step, ahead, b.K)
		}
	}
	if full < b.Cols {
		addColumnsPortable(dst, dstStride, a, aStride, rows, b, full)
	}
}
