package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	// tileOuts is the number of outputs in a tile.
	tileOuts = 4
	// panelBytes is the distance of rows in a panel of x or of weights, as
	// tileStride in matmul_tiled_amd64.go.
	panelBytes = 4 * (512 + 16)
)

// tileFamily writes the kernels for several rows of x. A tile is up to 3 rows x
// 4 outputs; half of the 16 lanes of each fill 12 registers, so the lanes are
// taken in two runs over the same stretch of k, short enough to stay in the
// first-level cache. The lanes rest in memory between stretches.
func tileFamily() {
	for rows := 1; rows <= 3; rows++ {
		t := &tile{rows: rows}
		t.emit()
	}
	reduceKernel("reduceRows", reduce4)
	reduceKernel("reducePairs", reducePairs4)
}

// tile is the state of one kernel while it is written.
type tile struct {
	rows                     int
	acc, x, w, blocks, count Register
}

func (t *tile) emit() {
	function(fmt.Sprintf("tile%d", t.rows), "func(acc, x, w *float32, blocks, count int)",
		fmt.Sprintf("tile%d adds to acc [count*%d][4][16] the products of as many rows of a panel x", t.rows, t.rows),
		"with the 4 rows of a panel w, 16*blocks elements each.")
	t.acc, t.x, t.w = param("acc"), param("x"), param("w")
	t.blocks, t.count = param("blocks"), param("count")
	Label("rows")
	t.half(0)
	t.half(1)
	ADDQ(U32(t.rows*panelBytes), t.x)
	ADDQ(U32(t.rows*tileOuts*64), t.acc)
	DECQ(t.count)
	JNZ(LabelRef("rows"))
	finish()
}

// half runs over all blocks with lanes 0-7 or 8-15 in registers.
func (t *tile) half(half int) {
	lane := func(i int) Mem { return Mem{Base: t.acc}.Offset(64*i + 32*half) }
	sums := make([]VecVirtual, t.rows*tileOuts)
	for i := range sums {
		sums[i] = YMM()
		VMOVUPS(lane(i), sums[i])
	}
	xk, wk, left := copied(t.x), copied(t.w), copied(t.blocks)
	loop := fmt.Sprintf("half%d", half)
	Label(loop)
	t.block(half, xk, wk, sums)
	ADDQ(Imm(64), xk)
	ADDQ(Imm(64), wk)
	DECQ(left)
	JNZ(LabelRef(loop))
	for i := range sums {
		VMOVUPS(sums[i], lane(i))
	}
}

// block takes half of 16 elements of every row and output.
func (t *tile) block(half int, xk, wk Register, sums []VecVirtual) {
	x := make([]VecVirtual, t.rows)
	for r := range x {
		x[r] = YMM()
		VMOVUPS(Mem{Base: xk}.Offset(r*panelBytes+32*half), x[r])
	}
	for n := range tileOuts {
		w := YMM()
		VMOVUPS(Mem{Base: wk}.Offset(n*panelBytes+32*half), w)
		for r := range x {
			VFMADD231PS(x[r], w, sums[r*tileOuts+n])
		}
	}
}

// reduceKernel is the last step of direct and tiled products.
func reduceKernel(name string, reduce func([][2]VecVirtual) VecVirtual) {
	function(name, "func(dst *float32, dstStride uintptr, acc *float32, rows int)",
		name+" adds the lanes of acc [rows][4][16] and writes them to rows of dst; dstStride is in bytes.")
	dst, stride, acc, rows := param("dst"), param("dstStride"), param("acc"), param("rows")
	Label("row")
	pairs := make([][2]VecVirtual, tileOuts)
	for n := range pairs {
		pairs[n] = [2]VecVirtual{YMM(), YMM()}
		VMOVUPS(Mem{Base: acc}.Offset(64*n), pairs[n][0])
		VMOVUPS(Mem{Base: acc}.Offset(64*n+32), pairs[n][1])
	}
	VMOVUPS(reduce(pairs), Mem{Base: dst})
	ADDQ(stride, dst)
	ADDQ(U32(64*tileOuts), acc)
	DECQ(rows)
	JNZ(LabelRef("row"))
	finish()
}
