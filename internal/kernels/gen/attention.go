package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// attentionFamily writes the products of attention: six rows at a time for
// prefill, bound by arithmetic; one row for decode, bound by memory, of 16 columns
// (scores: a page has 16 keys) and of 64 (values).
func attentionFamily() {
	for _, t := range []string{"BF16", "F32"} {
		for _, shape := range [][2]int{{6, 2}, {1, 2}, {1, 8}} {
			b := &block{width: bits256, dtype: t, rows: shape[0], vectors: shape[1]}
			b.emit()
		}
		f := &fourBlocks{width: bits256, dtype: t}
		f.emit()
	}
}

// attention512Family writes those for six rows in 512-bit registers, of 16 columns (scores)
// and of 64 (values), and for one row of four blocks of scores.
func attention512Family() {
	for _, t := range []string{"BF16", "F32"} {
		for _, vectors := range []int{1, 4} {
			b := &block{width: bits512, dtype: t, rows: 6, vectors: vectors}
			b.emit()
		}
		f := &fourBlocks{width: bits512, dtype: t}
		f.emit()
	}
}

// block is the state of one kernel while it is written. Its sums stay in
// registers: rows * vectors of them.
type block struct {
	width
	dtype         string
	rows, vectors int

	dst, a           [2]Register // of row 0 and of row 3
	dstStride        Register
	aStride, bStride Register
	b, k             Register
	ahead            Register // nil = no prefetching
	acc              [][]VecVirtual
}

func (p *block) emit() {
	name := fmt.Sprintf("%s%s_%dx%d", p.prefix, p.dtype, p.rows, p.lanes*p.vectors)
	signature := "func(dst, a *float32, b *byte, dstStride, aStride, bStride uintptr, k int)"
	doc := []string{fmt.Sprintf("%s adds a [%d,k] times b [k,%d] to dst; strides are in bytes, k > 0.", name, p.rows, p.lanes*p.vectors)}
	if p.rows == 1 {
		signature = "func(dst, a *float32, b *byte, bStride, ahead uintptr, k int)"
		doc = append(doc, "What is ahead bytes behind each row of b is prefetched.")
	}
	function(name, signature, doc...)
	p.params()
	p.sums(func(v VecVirtual, m Mem) { VMOVUPS(m, v) })
	Label("row")
	p.step()
	DECQ(p.k)
	JNZ(LabelRef("row"))
	p.sums(func(v VecVirtual, m Mem) { VMOVUPS(v, m) })
	finish()
}

func (p *block) params() {
	p.dst[0], p.a[0], p.b, p.k = param("dst"), param("a"), param("b"), param("k")
	p.bStride = param("bStride")
	for range p.rows {
		row := make([]VecVirtual, p.vectors)
		for i := range row {
			row[i] = p.register()
		}
		p.acc = append(p.acc, row)
	}
	if p.rows == 1 {
		p.ahead = param("ahead")
		return
	}
	p.dstStride, p.aStride = param("dstStride"), param("aStride")
	p.dst[1], p.a[1] = thirdRow(p.dst[0], p.dstStride), thirdRow(p.a[0], p.aStride)
}

// thirdRow is the address of row 3.
func thirdRow(base, stride Register) Register {
	r := GP64()
	LEAQ(Mem{Base: base, Index: stride, Scale: 2}, r)
	ADDQ(stride, r)
	return r
}

// row is the address of row r < 6 of an array whose rows 0 and 3 are in at.
func row(at [2]Register, stride Register, r int) Mem { return nth(at[r/3], stride, nil, r%3) }

// sums does f for every sum and its place in dst.
func (p *block) sums(f func(VecVirtual, Mem)) {
	for r, vectors := range p.acc {
		for i, v := range vectors {
			f(v, row(p.dst, p.dstStride, r).Offset(4*p.lanes*i))
		}
	}
}

// step takes one element of every row of a, and one row of b.
func (p *block) step() {
	if p.ahead != nil {
		for at := 0; at < p.lanes*p.vectors*size(p.dtype); at += 64 {
			PREFETCHT0(Mem{Base: p.b, Index: p.ahead, Scale: 1}.Offset(at))
		}
	}
	if p.rows == 1 {
		p.single()
	} else {
		p.tile()
	}
	for _, a := range p.a {
		if a != nil {
			ADDQ(Imm(4), a)
		}
	}
	ADDQ(p.bStride, p.b)
}

func (p *block) single() {
	a := p.register()
	VBROADCASTSS(Mem{Base: p.a[0]}, a)
	for i, v := range p.acc[0] {
		b := p.register()
		loadWide(p.dtype, Mem{Base: p.b}.Offset(p.lanes*i*size(p.dtype)), b)
		VFMADD231PS(b, a, v)
	}
}

func (p *block) tile() {
	b := make([]VecVirtual, p.vectors)
	for i := range b {
		b[i] = p.register()
		loadWide(p.dtype, Mem{Base: p.b}.Offset(p.lanes*i*size(p.dtype)), b[i])
	}
	for r, vectors := range p.acc {
		at := row(p.a, p.aStride, r)
		if p.vectors == 1 { // of 512 bits: no other instruction shares the element
			VFMADD231PS_BCST(at, b[0], vectors[0])
			continue
		}
		a := p.register()
		VBROADCASTSS(at, a)
		for i, v := range vectors {
			VFMADD231PS(b[i], a, v)
		}
	}
}

// fourBlocks is the state of a kernel of one row and four blocks of 16 columns, whose sums
// do not wait for each other.
type fourBlocks struct {
	width
	dtype string

	b, next [4]Register
	acc     []VecVirtual
}

func (f *fourBlocks) emit() {
	name := f.prefix + f.dtype + "_1x16x4"
	function(name, "func(dst, a *float32, b0, b1, b2, b3, next0, next1, next2, next3 *byte, k int)",
		name+" adds a [1,k] times four blocks [k,16] to dst [4*16]; k > 0. The next ones are prefetched.")
	for i := range f.b {
		f.b[i], f.next[i] = param(fmt.Sprintf("b%d", i)), param(fmt.Sprintf("next%d", i))
	}
	for range 4 * 16 / f.lanes {
		f.acc = append(f.acc, f.register())
	}
	f.sums(func(v VecVirtual, m Mem) { VMOVUPS(m, v) })
	a, k, at := param("a"), param("k"), GP64()
	XORQ(at, at)
	Label("row")
	x := f.register()
	VBROADCASTSS(Mem{Base: a}, x)
	for i, v := range f.acc {
		block, part := i*f.lanes/16, i*f.lanes%16
		if part == 0 {
			PREFETCHT0(Mem{Base: f.next[block], Index: at, Scale: 1})
		}
		w := f.register()
		loadWide(f.dtype, Mem{Base: f.b[block], Index: at, Scale: 1}.Offset(part*size(f.dtype)), w)
		VFMADD231PS(w, x, v)
	}
	ADDQ(Imm(4), a)
	ADDQ(Imm(uint64(16*size(f.dtype))), at)
	DECQ(k)
	JNZ(LabelRef("row"))
	f.sums(func(v VecVirtual, m Mem) { VMOVUPS(v, m) })
	finish()
}

// sums does do for every sum and its place in dst.
func (f *fourBlocks) sums(do func(VecVirtual, Mem)) {
	dst := param("dst")
	for i, v := range f.acc {
		do(v, Mem{Base: dst}.Offset(4*f.lanes*i))
	}
}
