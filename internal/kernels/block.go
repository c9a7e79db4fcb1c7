package kernels

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Block is a matrix [K, Cols] of stored elements (BF16 or F32), row after row: a
// KV page's keys of one head, transposed [head dim, positions], or its values
// [positions, head dim].
type Block struct {
	DType   tensor.DType
	Data    []byte
	K, Cols int
}

// AddProduct adds a b to dst; a [rows, b.K] and dst [rows, b.Cols], with row
// strides in elements. Every element of dst takes one fused multiply-add for each
// k, ascending from what it holds: so neither the rows beside it nor the way a sum
// is cut into blocks can change a bit.
//
// next is the block that will be used after this one, or nil: its memory may be
// fetched meanwhile.
func AddProduct(dst []float32, dstStride int, a []float32, aStride, rows int, b Block, next []byte) {
	if rows == 0 || b.K == 0 || b.Cols == 0 {
		return
	}
	if len(dst) < (rows-1)*dstStride+b.Cols || len(a) < (rows-1)*aStride+b.K || len(b.Data) < b.K*b.Cols*b.DType.Size() {
		panic(fmt.Sprintf("kernels: AddProduct: %d rows in %d and %d elements, block [%d, %d] in %d bytes",
			rows, len(a), len(dst), b.K, b.Cols, len(b.Data)))
	}
	active.addProduct(dst, dstStride, a, aStride, rows, b, next)
}

// BlocksTogether is how many blocks AddProducts takes.
const BlocksTogether = 4

// BlockCols is the number of columns of its blocks: a register of 512 bits, or two of 256.
const BlockCols = 16

// AddProducts is AddProduct of one row a [K] with blocks [K, 16] of type t, whose columns
// stand side by side in dst: the same bits. A sum waits for what was added to it before;
// four blocks' sums do not wait for each other. next are the blocks that will be used
// after these.
func AddProducts(dst, a []float32, t tensor.DType, blocks, next *[BlocksTogether][]byte) {
	if len(dst) < BlocksTogether*BlockCols || len(a) == 0 {
		panic(fmt.Sprintf("kernels: AddProducts: %d sums of %d terms", len(dst), len(a)))
	}
	for _, b := range blocks {
		if need := len(a) * BlockCols * t.Size(); len(b) < need {
			panic(fmt.Sprintf("kernels: AddProducts: block of %d bytes, [%d, %d] of %v needs %d", len(b), len(a), BlockCols, t, need))
		}
	}
	active.addProducts(dst, a, t, *blocks, *next)
}

func addProductsPortable(dst, a []float32, t tensor.DType, blocks, _ [BlocksTogether][]byte) {
	for i, b := range blocks {
		addProductPortable(dst[i*BlockCols:], BlockCols, a, len(a), 1, Block{t, b, len(a), BlockCols}, nil)
	}
}

func addProductPortable(dst []float32, dstStride int, a []float32, aStride, rows int, b Block, _ []byte) {
	addColumnsPortable(dst, dstStride, a, aStride, rows, b, 0)
}

// addColumnsPortable does the columns from lo on.
func addColumnsPortable(dst []float32, dstStride int, a []float32, aStride, rows int, b Block, lo int) {
	var wide [lanes]float32
	for ; lo < b.Cols; lo += lanes {
		n := min(lanes, b.Cols-lo)
		for k := range b.K {
			at := (k*b.Cols + lo) * b.DType.Size()
			widenPortable(wide[:n], b.DType, b.Data[at:])
			for r := range rows {
				axpyPortable(dst[r*dstStride+lo:][:n], wide[:n], a[r*aStride+k])
			}
		}
	}
}

// ExpSum replaces x by exp(x - max) and returns the sum: a softmax is x divided by
// it. -Inf becomes 0; a NaN, a +Inf or nothing but -Inf makes the sum NaN.
func ExpSum(x []float32) float32 { return active.expSum(x, active.max(x)) }

// Div is x /= a.
func Div(x []float32, a float32) { active.div(x, a) }
