package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Layout constants; the sizes are those of matmul_direct_amd64.go.
const (
	directRowBytes = 4 * (1024 + 16) // rows of a panel of x: directStretch + lanes
	directAccBytes = 4 * 32 * 16     // lanes of directBlock outputs
)

// directFamily writes the kernels for 2 to 4 rows of x. They are bound by
// memory and use the weights as stored; a stretch of x stays in the first-level
// cache while the weights stream by. Rows x outputs at once: up to 12
// accumulators of 16 registers.
func directFamily() {
	mask := replicated("highHalf", 0xffff0000)
	for _, t := range dtypes {
		for _, s := range [][2]int{{2, 2}, {3, 2}, {4, 1}} {
			d := &direct{dtype: t, rows: s[0], outs: s[1], highMask: mask}
			d.emit()
		}
	}
	splitPairs()
}

// direct is the state of one kernel while it is written.
type direct struct {
	dtype      string
	rows, outs int

	acc, x, w, stride, stride3, ahead, blocks, groups Register
	sums                                              [][2]VecVirtual // [row*outs+out]

	highMask Mem
	high     VecVirtual // the upper halves of words, for BF16
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
	if d.dtype == "BF16" {
		d.high = YMM()
		VMOVUPS(d.highMask, d.high)
	}
	Label("group")
	d.lanes(func(m Mem, v VecVirtual) { VMOVUPS(m, v) })
	xk, wk, left := copied(d.x), copied(d.w), copied(d.blocks)
	Label("block")
	d.prefetch(wk)
	for half := range 2 {
		d.step(half, xk, wk)
	}
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

// step takes half of the lanes of a block: the first or last eight elements, or
// the even or odd ones for BF16.
func (d *direct) step(half int, xk, wk Register) {
	w := make([]VecVirtual, d.outs)
	for n := range w {
		w[n] = YMM()
		m := nth(wk, d.stride, d.stride3, n)
		if d.dtype == "BF16" {
			d.widenPairs(half, m, w[n])
		} else {
			loadWide(d.dtype, m.Offset(8*size(d.dtype)*half), w[n])
		}
	}
	for r := range d.rows {
		x := YMM()
		VMOVUPS(Mem{Base: xk}.Offset(r*directRowBytes+32*half), x)
		for n := range w {
			VFMADD231PS(x, w[n], d.sums[r*d.outs+n][half])
		}
	}
}

// widenPairs takes the even or the odd elements of 16 BF16: the low or the high
// halves of eight words. That is one cheap instruction, where the conversion in
// order needs a shuffle and a shift.
func (d *direct) widenPairs(half int, m Mem, v VecVirtual) {
	if half == 0 {
		VMOVUPS(m, v)
		VPSLLD(Imm(16), v, v)
	} else {
		VPAND(m, d.high, v)
	}
}

// splitPairs puts x in the order of widenPairs.
func splitPairs() {
	function("splitPairs", "func(dst, src *float32, blocks int)",
		"splitPairs copies blocks of 16 floats: of each block the even elements, then the odd ones.")
	dst, src, n := param("dst"), param("src"), param("blocks")
	Label("block")
	a, b := YMM(), YMM()
	VMOVUPS(Mem{Base: src}, a)
	VMOVUPS(Mem{Base: src}.Offset(32), b)
	for half, order := range []uint64{0x88, 0xdd} {
		v := YMM()
		VSHUFPS(Imm(order), b, a, v) // a0 a2 b0 b2 | a4 a6 b4 b6, or the odd ones
		VPERMPD(Imm(0xd8), v, v)     // a0 a2 a4 a6 | b0 b2 b4 b6
		VMOVUPS(v, Mem{Base: dst}.Offset(32*half))
	}
	ADDQ(Imm(64), src)
	ADDQ(Imm(64), dst)
	DECQ(n)
	JNZ(LabelRef("block"))
	finish()
}
