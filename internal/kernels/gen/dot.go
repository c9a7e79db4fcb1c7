package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dotFamily writes the kernels for one row of x. They are bound by memory and
// use the weights as stored, four outputs at a time.
func dotFamily() {
	table, mask := tailTable(), replicated("highWords", 0xffff0000)
	for _, h := range hints {
		for _, t := range dtypes {
			for _, outs := range []int{1, 4} {
				d := &dot{hint: h, dtype: t, outs: outs, table: table, highMask: mask}
				d.emit()
			}
		}
	}
}

// dot is the state of one kernel while it is written.
type dot struct {
	hint  hint
	dtype string
	outs  int
	table Mem

	highMask Mem
	high     VecVirtual // the upper halves of words, for BF16

	dst, x, w, stride, stride3, groups Register
	xk, wk                             Register // run along a row
	ahead                              *lookahead
	acc                                [][2]VecVirtual
}

func (d *dot) emit() {
	name := fmt.Sprintf("dot%s_%d%s", d.dtype, d.outs, d.hint.suffix)
	function(name,
		"func(dst, x *float32, w *byte, stride, ahead uintptr, near, k, groups int)",
		fmt.Sprintf("%s is dst[o] = x . w[o] for groups*%d rows of w, stride bytes apart, k elements each.", name, d.outs),
		"The weights ahead bytes on "+d.hint.doc+", after near blocks", "of 16 elements those of the next rows.")
	d.dst, d.x, d.w = param("dst"), param("x"), param("w")
	d.stride, d.groups = param("stride"), param("groups")
	d.stride3 = triple(d.stride, d.outs)
	if d.pairs() {
		d.high = YMM()
		VMOVUPS(d.highMask, d.high)
	}
	Label("group")
	d.group()
	VZEROUPPER()
	RET()
}

// group computes one group of outputs and loops.
func (d *dot) group() {
	d.acc = nil
	for range d.outs {
		d.acc = append(d.acc, [2]VecVirtual{zero(), zero()})
	}
	d.xk, d.wk = copied(d.x), copied(d.w)
	d.ahead = lookAhead(rowsOn(d.stride, d.outs))
	blocks := param("k")
	SHRQ(Imm(4), blocks)
	JZ(LabelRef("tail"))
	Label("block")
	d.block()
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("tail")
	rest := param("k")
	ANDQ(Imm(15), rest)
	JZ(LabelRef("reduce"))
	d.tail(rest)
	Label("reduce")
	reduce := reduce4
	if d.pairs() {
		reduce = reducePairs4
	}
	storeFirst(reduce(d.acc), d.dst, d.outs)
	ADDQ(Imm(uint64(4*d.outs)), d.dst)
	for range d.outs {
		ADDQ(d.stride, d.w)
	}
	DECQ(d.groups)
	JNZ(LabelRef("group"))
}

// block takes 16 elements of every output.
func (d *dot) block() {
	p := d.ahead.step(d.wk)
	for n := range d.outs {
		d.hint.request(nth(p, d.stride, d.stride3, n))
	}
	x := d.row()
	for n := range d.outs {
		at := nth(d.wk, d.stride, d.stride3, n)
		for half := range 2 {
			w := YMM()
			if d.pairs() {
				widenPairs(half, at, d.high, w)
			} else {
				loadWide(d.dtype, at.Offset(8*size(d.dtype)*half), w)
			}
			VFMADD231PS(x[half], w, d.acc[n][half])
		}
	}
	ADDQ(Imm(64), d.xk)
	ADDQ(Imm(uint64(16*size(d.dtype))), d.wk)
}

// pairs tells whether lanes are taken as even and odd ones, which costs less for
// BF16 (widenPairs) once x has been put in that order for several outputs.
func (d *dot) pairs() bool { return d.dtype == "BF16" && d.outs > 1 }

// row is 16 elements of x: the first and the last eight, or the even and the odd ones.
func (d *dot) row() (x [2]VecVirtual) {
	x = [2]VecVirtual{YMM(), YMM()}
	if !d.pairs() {
		for half := range x {
			VMOVUPS(Mem{Base: d.xk}.Offset(32*half), x[half])
		}
		return x
	}
	var quads [2]VecVirtual // 0-3 and 8-11, 4-7 and 12-15
	for i := range quads {
		quads[i] = YMM()
		VMOVUPS(Mem{Base: d.xk}.Offset(16*i), quads[i].AsX())
		VINSERTF128(Imm(1), Mem{Base: d.xk}.Offset(32+16*i), quads[i], quads[i])
	}
	VSHUFPS(Imm(0x88), quads[1], quads[0], x[0])
	VSHUFPS(Imm(0xdd), quads[1], quads[0], x[1])
	return x
}

// tail takes the last k mod 16 elements, padded with zeros, without reading
// beyond them.
func (d *dot) tail(rest Register) {
	lo, hi := tailMask(d.table, rest)
	x := [2]VecVirtual{YMM(), YMM()}
	for half, mask := range []VecVirtual{lo, hi} {
		VMASKMOVPS(Mem{Base: d.xk}.Offset(32*half), mask, x[half])
	}
	buf := AllocLocal(32)
	if d.pairs() {
		whole := AllocLocal(64)
		for half := range x {
			VMOVUPS(x[half], whole.Offset(32*half))
		}
		LEAQ(whole, d.xk)
		x = d.row()
	}
	for n := range d.outs {
		from := GP64()
		LEAQ(nth(d.wk, d.stride, d.stride3, n), from)
		if d.dtype != "F32" {
			copyTail(fmt.Sprintf("copy%d", n), buf, from, rest)
		}
		for half, mask := range []VecVirtual{lo, hi} {
			w := YMM()
			if d.pairs() {
				widenPairs(half, buf, d.high, w)
			} else if d.dtype == "F32" {
				VMASKMOVPS(Mem{Base: from}.Offset(32*half), mask, w)
			} else {
				loadWide(d.dtype, buf.Offset(16*half), w)
			}
			VFMADD231PS(x[half], w, d.acc[n][half])
		}
	}
}

// copyTail copies rest 16-bit elements into buf and zeroes the others: there is
// no masked load of 16-bit lanes.
func copyTail(loop string, buf Mem, from, rest Register) {
	VMOVUPS(zero(), buf)
	i, e := copied(rest), GP64()
	Label(loop)
	MOVWQZX(Mem{Base: from, Index: i, Scale: 2}.Offset(-2), e)
	MOVW(e.As16(), buf.Idx(i, 2).Offset(-2))
	DECQ(i)
	JNZ(LabelRef(loop))
}

// storeFirst writes the first n lanes of v.
func storeFirst(v VecVirtual, dst Register, n int) {
	if n == 4 {
		VMOVUPS(v, Mem{Base: dst})
		return
	}
	for i := range n {
		VEXTRACTPS(Imm(uint64(i)), v, Mem{Base: dst}.Offset(4*i))
	}
}
