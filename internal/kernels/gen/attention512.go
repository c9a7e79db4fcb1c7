package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// attention512Family writes the products of attention for six rows in 512-bit registers, of
// 16 columns (scores) and of 64 (values), and for one row of four blocks of scores.
func attention512Family() {
	for _, t := range []string{"BF16", "F32"} {
		for _, vectors := range []int{1, 4} {
			b := &wideBlock{dtype: t, vectors: vectors}
			b.emit()
		}
		f := &fourBlocks{dtype: t, name: "wideBlock" + t + "_1x16x4", lanes: 16, register: func() VecVirtual { return ZMM() }}
		f.emit()
	}
}

const wideBlockRows = 6

// wideBlock is the state of one kernel while it is written. Its sums stay in registers:
// vectors of them in each row.
type wideBlock struct {
	dtype   string
	vectors int

	dst, a                      [2]Register // of row 0 and of row 3
	dstStride, aStride, bStride Register
	b, k                        Register
	acc                         []VecVirtual // [row*vectors+vector]
}

func (p *wideBlock) emit() {
	name := fmt.Sprintf("wideBlock%s_%dx%d", p.dtype, wideBlockRows, 16*p.vectors)
	function(name, "func(dst, a *float32, b *byte, dstStride, aStride, bStride uintptr, k int)",
		fmt.Sprintf("%s adds a [%d,k] times b [k,%d] to dst; strides are in bytes, k > 0.", name, wideBlockRows, 16*p.vectors))
	p.dst[0], p.a[0], p.b, p.k = param("dst"), param("a"), param("b"), param("k")
	p.dstStride, p.aStride, p.bStride = param("dstStride"), param("aStride"), param("bStride")
	p.dst[1], p.a[1] = thirdRow(p.dst[0], p.dstStride), thirdRow(p.a[0], p.aStride)
	for range wideBlockRows * p.vectors {
		p.acc = append(p.acc, ZMM())
	}
	p.sums(func(v VecVirtual, m Mem) { VMOVUPS(m, v) })
	Label("row")
	p.step()
	DECQ(p.k)
	JNZ(LabelRef("row"))
	p.sums(func(v VecVirtual, m Mem) { VMOVUPS(v, m) })
	finish()
}

// sums does f for every sum and its place in dst.
func (p *wideBlock) sums(f func(VecVirtual, Mem)) {
	for i, v := range p.acc {
		f(v, row(p.dst, p.dstStride, i/p.vectors).Offset(i%p.vectors*64))
	}
}

// step takes one element of every row of a, and one row of b.
func (p *wideBlock) step() {
	b := make([]VecVirtual, p.vectors)
	for i := range b {
		b[i] = ZMM()
		loadWide(p.dtype, Mem{Base: p.b}.Offset(16*i*size(p.dtype)), b[i])
	}
	for r := range wideBlockRows {
		at := row(p.a, p.aStride, r)
		if p.vectors == 1 {
			VFMADD231PS_BCST(at, b[0], p.acc[r])
			continue
		}
		a := ZMM()
		VBROADCASTSS(at, a)
		for i, v := range b {
			VFMADD231PS(v, a, p.acc[r*p.vectors+i])
		}
	}
	for _, a := range p.a {
		ADDQ(Imm(4), a)
	}
	ADDQ(p.bStride, p.b)
}
