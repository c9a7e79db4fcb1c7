package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dtypes are the stored element types, by name.
var dtypes = []string{"BF16", "F16", "F32"}

func size(dtype string) int {
	if dtype == "F32" {
		return 4
	}
	return 2
}

// loadWide loads eight stored elements and converts them to float32.
func loadWide(dtype string, m Mem, v VecVirtual) {
	switch dtype {
	case "BF16":
		VPMOVZXWD(m, v)
		VPSLLD(Imm(16), v, v)
	case "F16":
		VCVTPH2PS(m, v)
	case "F32":
		VMOVUPS(m, v)
	}
}

// dotFamily writes the kernels that use the weights as stored: few rows of x,
// bound by memory. RxN is rows of x times outputs at once; the accumulators
// fill at most 12 of the 16 registers.
func dotFamily() {
	table := tailTable()
	for _, d := range dtypes {
		for _, s := range [][2]int{{1, 1}, {1, 4}, {2, 2}, {3, 2}, {4, 1}} {
			newDot(d, s[0], s[1], table).emit()
		}
	}
}

// dot is the state of one kernel while it is written.
type dot struct {
	dtype      string
	rows, outs int
	table      Mem

	dst, dstStride, x, xStride, w, wStride, ahead, k, groups Register
	xk, wk                                                   Register // run along a row
	x3, w3                                                   Register // three strides
	acc                                                      [][2]VecVirtual
}

func newDot(dtype string, rows, outs int, table Mem) *dot {
	return &dot{dtype: dtype, rows: rows, outs: outs, table: table}
}

func (d *dot) emit() {
	function(fmt.Sprintf("dot%s_%dx%d", d.dtype, d.rows, d.outs),
		"func(dst *float32, dstStride uintptr, x *float32, xStride uintptr, w *byte, wStride, ahead uintptr, k, groups int)",
		fmt.Sprintf("dot%s_%dx%d multiplies %d rows of x by groups*%d rows of w, k elements each.", d.dtype, d.rows, d.outs, d.rows, d.outs),
		"Strides are in bytes; the weights ahead bytes on are prefetched.")
	d.dst, d.dstStride = param("dst"), param("dstStride")
	d.x, d.xStride = param("x"), param("xStride")
	d.w, d.wStride, d.ahead = param("w"), param("wStride"), param("ahead")
	d.k, d.groups = param("k"), param("groups")
	d.x3, d.w3 = triple(d.xStride, d.rows), triple(d.wStride, d.outs)
	Label("group")
	d.group()
	ADDQ(Imm(uint64(4*d.outs)), d.dst)
	for range d.outs {
		ADDQ(d.wStride, d.w)
	}
	DECQ(d.groups)
	JNZ(LabelRef("group"))
	finish()
}

// triple returns three times the stride if row 3 is ever addressed.
func triple(stride Register, n int) Register {
	if n < 4 {
		return nil
	}
	t := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, t)
	return t
}

// nth is the address of row i < 4 of an array.
func nth(p, stride, stride3 Register, i int) Mem {
	switch i {
	case 0:
		return Mem{Base: p}
	case 3:
		return Mem{Base: p, Index: stride3, Scale: 1}
	}
	return Mem{Base: p, Index: stride, Scale: uint8(i)}
}

// group computes one group of outputs.
func (d *dot) group() {
	d.acc = nil
	for range d.rows * d.outs {
		d.acc = append(d.acc, [2]VecVirtual{zero(), zero()})
	}
	d.xk, d.wk = GP64(), GP64()
	MOVQ(d.x, d.xk)
	MOVQ(d.w, d.wk)
	blocks := GP64()
	MOVQ(d.k, blocks)
	SHRQ(Imm(4), blocks)
	JZ(LabelRef("tail"))
	Label("block")
	d.prefetch()
	d.step(0)
	d.step(1)
	ADDQ(Imm(64), d.xk)
	ADDQ(Imm(uint64(16*size(d.dtype))), d.wk)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("tail")
	rest := blocks // the counter is free now
	MOVQ(d.k, rest)
	ANDQ(Imm(15), rest)
	JZ(LabelRef("reduce"))
	d.tail(rest)
	Label("reduce")
	d.store()
}

// prefetch asks for the weights that the next groups will use.
func (d *dot) prefetch() {
	p := GP64()
	LEAQ(Mem{Base: d.wk, Index: d.ahead, Scale: 1}, p)
	for n := range d.outs {
		PREFETCHT0(nth(p, d.wStride, d.w3, n))
	}
}

// step takes lanes 0-7 (half 0) or 8-15 (half 1) of a block.
func (d *dot) step(half int) {
	x := make([]VecVirtual, d.rows)
	for r := range x {
		x[r] = YMM()
		VMOVUPS(nth(d.xk, d.xStride, d.x3, r).Offset(32*half), x[r])
	}
	for n := range d.outs {
		m := nth(d.wk, d.wStride, d.w3, n).Offset(8 * size(d.dtype) * half)
		w := YMM()
		loadWide(d.dtype, m, w)
		for r := range x {
			VFMADD231PS(x[r], w, d.acc[r*d.outs+n][half])
		}
	}
}

// tail takes the last k mod 16 elements, padded with zeros, without reading
// beyond them.
func (d *dot) tail(rest Register) {
	buf := AllocLocal(32)
	for n := range d.outs {
		from := GP64()
		LEAQ(nth(d.wk, d.wStride, d.w3, n), from)
		if d.dtype != "F32" {
			d.copyTail(n, buf, from, rest)
		}
		lo, hi := tailMask(d.table, rest)
		for half, mask := range []VecVirtual{lo, hi} {
			w := YMM()
			if d.dtype == "F32" {
				VMASKMOVPS(Mem{Base: from}.Offset(32*half), mask, w)
			} else {
				loadWide(d.dtype, buf.Offset(16*half), w)
			}
			for r := range d.rows {
				x := YMM()
				VMASKMOVPS(nth(d.xk, d.xStride, d.x3, r).Offset(32*half), mask, x)
				VFMADD231PS(x, w, d.acc[r*d.outs+n][half])
			}
		}
	}
}

// copyTail copies rest 16-bit elements into buf and zeroes the others: there is
// no masked load of 16-bit lanes.
func (d *dot) copyTail(n int, buf Mem, from, rest Register) {
	v := zero()
	VMOVUPS(v, buf)
	i, e := GP64(), GP64()
	MOVQ(rest, i)
	loop := fmt.Sprintf("copy%d", n)
	Label(loop)
	MOVWQZX(Mem{Base: from, Index: i, Scale: 2}.Offset(-2), e)
	MOVW(e.As16(), buf.Idx(i, 2).Offset(-2))
	DECQ(i)
	JNZ(LabelRef(loop))
}

// store reduces the accumulators, four at a time, and writes the results.
func (d *dot) store() {
	dst := GP64()
	MOVQ(d.dst, dst)
	for at := 0; at < len(d.acc); at += 4 {
		sums := reduce4(d.acc[at:min(at+4, len(d.acc))])
		for i := at; i < min(at+4, len(d.acc)); i++ {
			if i > 0 && i%d.outs == 0 {
				ADDQ(d.dstStride, dst)
			}
			VEXTRACTPS(Imm(uint64(i-at)), sums, Mem{Base: dst}.Offset(4*(i%d.outs)))
		}
	}
}
