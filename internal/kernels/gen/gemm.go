package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// panelOuts is the number of outputs in a packed panel and tile.
const panelOuts = 4

// gemmFamily writes the kernels for many rows, bound by arithmetic. Weights are
// widened once into a panel in the first-level cache and used for all rows.
//
// A panel holds 4 outputs: first lanes 0-7 of every block of 16 elements, as
// [block][output][8], then lanes 8-15 likewise. So a tile can hold half of the
// lanes of 3 rows x 4 outputs in 12 registers, and reads the panel in order.
func gemmFamily() {
	for _, d := range dtypes {
		pack(d)
	}
	for rows := 1; rows <= 3; rows++ {
		tile(rows)
	}
	reducePanel()
}

func pack(dtype string) {
	function("pack"+dtype, "func(panel *float32, w *byte, wStride uintptr, blocks int)",
		"pack"+dtype+" widens 4 rows of 16*blocks weights into a panel; wStride is in bytes.")
	lo, w, stride, blocks := param("panel"), param("w"), param("wStride"), param("blocks")
	stride3 := triple(stride, panelOuts)
	hi := GP64()
	MOVQ(blocks, hi)
	SHLQ(Imm(7), hi)
	ADDQ(lo, hi)
	Label("block")
	for n := range panelOuts {
		for half, to := range []Register{lo, hi} {
			v := YMM()
			loadWide(dtype, nth(w, stride, stride3, n).Offset(8*size(dtype)*half), v)
			VMOVUPS(v, Mem{Base: to}.Offset(32*n))
		}
	}
	ADDQ(Imm(128), lo)
	ADDQ(Imm(128), hi)
	ADDQ(Imm(uint64(16*size(dtype))), w)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	finish()
}

// tile adds the products of blocks*16 elements to the lanes of rows x 4
// outputs, for count groups of that many rows.
func tile(rows int) {
	function(fmt.Sprintf("tile%d", rows),
		"func(acc, x *float32, xStride uintptr, panel *float32, blocks, count int)",
		fmt.Sprintf("tile%d adds to acc [count*%d][4][16] the products of as many rows of x with a panel.", rows, rows))
	acc, x, stride := param("acc"), param("x"), param("xStride")
	panel, blocks, count := param("panel"), param("blocks"), param("count")
	Label("rows")
	w := GP64()
	MOVQ(panel, w)
	for half := range 2 {
		halfTile(fmt.Sprintf("half%d", half), rows, half, acc, x, stride, w, blocks)
	}
	for range rows {
		ADDQ(stride, x)
	}
	ADDQ(U32(rows*panelOuts*64), acc)
	DECQ(count)
	JNZ(LabelRef("rows"))
	finish()
}

// halfTile runs along the blocks with one half of the lanes in registers.
func halfTile(loop string, rows, half int, acc, x, stride, w, blocks Register) {
	lane := func(r, n int) Mem { return Mem{Base: acc}.Offset((r*panelOuts+n)*64 + 32*half) }
	sums := make([]VecVirtual, rows*panelOuts)
	for i := range sums {
		sums[i] = YMM()
		VMOVUPS(lane(i/panelOuts, i%panelOuts), sums[i])
	}
	xk, left := GP64(), GP64()
	MOVQ(x, xk)
	MOVQ(blocks, left)
	Label(loop)
	v := make([]VecVirtual, rows)
	for r := range v {
		v[r] = YMM()
		VMOVUPS(nth(xk, stride, nil, r).Offset(32*half), v[r])
	}
	for n := range panelOuts {
		wn := YMM()
		VMOVUPS(Mem{Base: w}.Offset(32*n), wn)
		for r := range v {
			VFMADD231PS(v[r], wn, sums[r*panelOuts+n])
		}
	}
	ADDQ(Imm(64), xk)
	ADDQ(Imm(128), w)
	DECQ(left)
	JNZ(LabelRef(loop))
	for i := range sums {
		VMOVUPS(sums[i], lane(i/panelOuts, i%panelOuts))
	}
}

func reducePanel() {
	function("reducePanel", "func(dst *float32, dstStride uintptr, acc *float32, rows int)",
		"reducePanel adds the lanes of rows x 4 outputs and writes them to dst; dstStride is in bytes.")
	dst, stride, acc, rows := param("dst"), param("dstStride"), param("acc"), param("rows")
	Label("row")
	pairs := make([][2]VecVirtual, panelOuts)
	for n := range pairs {
		pairs[n] = [2]VecVirtual{YMM(), YMM()}
		VMOVUPS(Mem{Base: acc}.Offset(64*n), pairs[n][0])
		VMOVUPS(Mem{Base: acc}.Offset(64*n+32), pairs[n][1])
	}
	VMOVUPS(reduce4(pairs), Mem{Base: dst})
	ADDQ(stride, dst)
	ADDQ(U32(64*panelOuts), acc)
	DECQ(rows)
	JNZ(LabelRef("row"))
	finish()
}
