package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Layout constants, as in matmul_direct_amd64.go.
const (
	directRowBytes = 4 * (1024 + 16) // distance of rows in a panel of x
	directAccBytes = 4 * 32 * 16     // lanes of 32 outputs
)

// directFamily writes the kernels for 2 to 4 rows of x. They are bound by
// memory and use the weights as stored; a stretch of x stays in the first-level
// cache while the weights stream by. Rows x outputs at once: up to 12
// accumulators of 16 registers.
func directFamily() {
	for _, t := range dtypes {
		for _, s := range [][2]int{{1, 4}, {2, 2}, {3, 2}, {4, 1}} {
			d := &direct{dtype: t, rows: s[0], outs: s[1]}
			d.emit()
		}
	}
}

// direct is the state of one kernel while it is written.
type direct struct {
	dtype      string
	rows, outs int

	acc, x, w, stride, stride3, ahead, blocks, groups Register
	sums                                              [][2]VecVirtual // [row*outs+out]
}

func (d *direct) emit() {
	function(fmt.Sprintf("direct%s_%d", d.dtype, d.rows),
		"func(acc, x *float32, w *byte, stride, ahead uintptr, blocks, groups int)",
		fmt.Sprintf("direct%s_%d adds to acc [%d][32][16] the products of a panel x of %d rows with", d.dtype, d.rows, d.rows, d.rows),
		fmt.Sprintf("groups*%d rows of w, stride bytes apart, 16*blocks elements each. The weights", d.outs),
		"ahead bytes on are prefetched.")
	d.acc, d.x, d.w = param("acc"), param("x"), param("w")
	d.stride, d.ahead = param("stride"), param("ahead")
	d.blocks, d.groups = param("blocks"), param("groups")
	d.stride3 = triple(d.stride, d.outs)
	Label("group")
	d.lanes(func(m Mem, v VecVirtual) { VMOVUPS(m, v) })
	xk, wk, left := copied(d.x), copied(d.w), copied(d.blocks)
	Label("block")
	d.prefetch(wk)
	d.step(0, xk, wk)
	d.step(1, xk, wk)
	ADDQ(Imm(64), xk)
	ADDQ(Imm(uint64(16*size(d.dtype))), wk)
	DECQ(left)
	JNZ(LabelRef("block"))
	d.lanes(func(m Mem, v VecVirtual) { VMOVUPS(v, m) })
	ADDQ(U32(64*d.outs), d.acc)
	for range d.outs {
		ADDQ(d.stride, d.w)
	}
	DECQ(d.groups)
	JNZ(LabelRef("group"))
	finish()
}

// lanes moves all accumulators from or to memory.
func (d *direct) lanes(move func(m Mem, v VecVirtual)) {
	for i := range d.rows * d.outs {
		if len(d.sums) <= i {
			d.sums = append(d.sums, [2]VecVirtual{YMM(), YMM()})
		}
		at := Mem{Base: d.acc}.Offset(i/d.outs*directAccBytes + i%d.outs*64)
		move(at, d.sums[i][0])
		move(at.Offset(32), d.sums[i][1])
	}
}

func (d *direct) prefetch(wk Register) {
	p := GP64()
	LEAQ(Mem{Base: wk, Index: d.ahead, Scale: 1}, p)
	for n := range d.outs {
		PREFETCHT0(nth(p, d.stride, d.stride3, n))
	}
}

// step takes lanes 0-7 (half 0) or 8-15 (half 1) of a block.
func (d *direct) step(half int, xk, wk Register) {
	x := make([]VecVirtual, d.rows)
	for r := range x {
		x[r] = YMM()
		VMOVUPS(Mem{Base: xk}.Offset(r*directRowBytes+32*half), x[r])
	}
	for n := range d.outs {
		w := YMM()
		loadWide(d.dtype, nth(wk, d.stride, d.stride3, n).Offset(8*size(d.dtype)*half), w)
		for r := range x {
			VFMADD231PS(x[r], w, d.sums[r*d.outs+n][half])
		}
	}
}
