package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/mmcloughlin/avo/attr"
)

// Layout of the operands; the sizes are those of int8.go.
const (
	int8Group       = 32            // elements that share a scale
	int8Chunk       = 8             // groups whose scales stand together
	rowScaleBytes   = 4 * int8Chunk // of a chunk of x
	storeScaleBytes = 2 * int8Chunk // of a chunk of w
)

// int8Family writes the quantiser and the products of quantised rows: one and two
// rows with one output, three and four rows with two.
func int8Family() {
	quantiseKernel()
	ones := GLOBL("wordOnes", attr.RODATA|attr.NOPTR)
	for i := range 16 {
		DATA(2*i, U16(1))
	}
	for _, s := range [][2]int{{1, 1}, {2, 1}, {3, 2}, {4, 2}} {
		t := &int8Tile{rows: s[0], outs: s[1], onesAt: ones}
		t.emit()
	}
}

// quantiseKernel is quantiseGroup of int8.go for up to a chunk of whole groups.
func quantiseKernel() {
	abs := replicated("absMask", 0x7fffffff)
	infinity := replicated("infinity", 0x7f800000)
	most := replicated("most", math.Float32bits(127))
	least := replicated("least", math.Float32bits(-127))
	up := replicated("bf16Up", 0xffff)
	order := GLOBL("packOrder", attr.RODATA|attr.NOPTR)
	for i, from := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(from))
	}
	function("quantiseGroupsAVX2", "func(scales, dst *byte, x *float32, groups int)",
		"quantiseGroupsAVX2 quantises groups of 32 elements and writes a float32 scale for each.")
	scales, dst, x, n := param("scales"), param("dst"), param("x"), param("groups")
	Label("group")
	d := groupMax(x, abs)
	top := YMM()
	VMOVUPS(most, top)
	VDIVPS(top, d, d)
	valid, finite := YMM(), YMM()
	VCMPPS(Imm(30), zero(), d, valid)    // d > 0
	VCMPPS(Imm(17), infinity, d, finite) // d < +Inf
	VANDPS(finite, valid, valid)
	rounded := YMM()
	VPADDD(up, d, rounded)
	VPSRLD(Imm(16), rounded, rounded)
	VPSLLD(Imm(16), rounded, rounded)
	VBLENDVPS(valid, rounded, d, d)
	VMOVSS(d.AsX(), Mem{Base: scales})
	var q [4]VecVirtual
	for i := range q {
		q[i] = YMM()
		VMOVUPS(Mem{Base: x}.Offset(32*i), q[i])
		VDIVPS(d, q[i], q[i])
		VMINPS(top, q[i], q[i])
		VMAXPS(least, q[i], q[i])
		VANDPS(valid, q[i], q[i])
		VCVTPS2DQ(q[i], q[i])
	}
	VPACKSSDW(q[1], q[0], q[0])
	VPACKSSDW(q[3], q[2], q[2])
	VPACKSSWB(q[2], q[0], q[0])
	at := YMM()
	VMOVDQU(order, at)
	VPERMD(q[0], at, q[0])
	VMOVDQU(q[0], Mem{Base: dst})
	ADDQ(Imm(4), scales)
	ADDQ(Imm(int8Group), dst)
	ADDQ(U32(4*int8Group), x)
	DECQ(n)
	JNZ(LabelRef("group"))
	finish()
}

// groupMax is the largest magnitude of 32 elements, in every lane. Magnitudes
// compare as integers, which puts NaN above infinity.
func groupMax(x Register, abs Mem) VecVirtual {
	mask, m := YMM(), zero()
	VMOVUPS(abs, mask)
	for i := range 4 {
		v := YMM()
		VPAND(Mem{Base: x}.Offset(32*i), mask, v)
		VPMAXSD(v, m, m)
	}
	high := XMM()
	VEXTRACTI128(Imm(1), m, high)
	VPMAXSD(high, m.AsX(), m.AsX())
	for _, swap := range []uint64{0x4e, 0xb1} { // halves, then neighbours
		VPSHUFD(Imm(swap), m.AsX(), high)
		VPMAXSD(high, m.AsX(), m.AsX())
	}
	VPBROADCASTD(m.AsX(), m)
	return m
}

// int8Tile is the state of one kernel while it is written.
type int8Tile struct {
	rows, outs int
	onesAt     Mem

	dst, x, xStride, xStride3, w, wStride, wStride3, ahead, n Register
	xk, wk, scale                                             Register     // run along a row
	products                                                  Mem          // [rows*outs][8] products of scales
	ones                                                      VecVirtual   // 16 words
	acc                                                       []VecVirtual // [row*outs+out]
}

func (t *int8Tile) emit() {
	function(fmt.Sprintf("int8Tile%dx%d", t.rows, t.outs),
		"func(dst *float32, dstStride uintptr, x *byte, xStride uintptr, w *byte, wStride, ahead uintptr, groups, n int)",
		fmt.Sprintf("int8Tile%dx%d computes n*%d outputs of %d quantised rows x, of groups groups each. The weights", t.rows, t.outs, t.outs, t.rows),
		"ahead bytes on are prefetched. Strides are in bytes.")
	t.dst, t.x, t.w, t.n = param("dst"), param("x"), param("w"), param("n")
	t.wStride, t.ahead = param("wStride"), param("ahead")
	t.wStride3 = triple(t.wStride, t.outs)
	if t.rows > 1 {
		t.xStride = param("xStride")
		t.xStride3 = triple(t.xStride, t.rows)
	}
	t.products = AllocLocal(32 * t.rows * t.outs)
	t.ones = YMM()
	VMOVDQU(t.onesAt, t.ones)
	Label("outputs")
	t.tile()
	t.store()
	ADDQ(Imm(uint64(4*t.outs)), t.dst)
	for range t.outs {
		ADDQ(t.wStride, t.w)
	}
	DECQ(t.n)
	JNZ(LabelRef("outputs"))
	finish()
}

// tile goes over the groups of one tile, chunk by chunk.
func (t *int8Tile) tile() {
	t.acc = nil
	for range t.rows * t.outs {
		t.acc = append(t.acc, zero())
	}
	t.xk, t.wk = copied(t.x), copied(t.w)
	overGroups(t.scales, func() {
		t.scale = GP64()
		LEAQ(t.products, t.scale)
	}, t.group)
}

// overGroups goes over the groups of a row, chunk by chunk: scales at the beginning
// of a chunk, first before its first group, group for each.
func overGroups(scales, first, group func()) {
	left, n := param("groups"), GP64()
	Label("chunk")
	scales()
	MOVQ(U32(int8Chunk), n)
	CMPQ(left, n)
	CMOVQLT(left, n)
	SUBQ(n, left)
	first()
	Label("group")
	group()
	DECQ(n)
	JNZ(LabelRef("group"))
	TESTQ(left, left)
	JNZ(LabelRef("chunk"))
}

// scales multiplies the scales of a chunk, row by output.
func (t *int8Tile) scales() {
	for o := range t.outs {
		s := YMM()
		loadWide("BF16", nth(t.wk, t.wStride, t.wStride3, o), s)
		for r := range t.rows {
			p := YMM()
			VMULPS(nth(t.xk, t.xStride, t.xStride3, r), s, p)
			VMOVUPS(p, t.products.Offset(32*(r*t.outs+o)))
		}
	}
	ADDQ(Imm(rowScaleBytes), t.xk)
	ADDQ(Imm(storeScaleBytes), t.wk)
}

// group adds the products of one group. VPMADDUBSW takes one unsigned operand:
// |w|, and x with the sign of w. Two products are at most 2*127*127 < 2^15.
func (t *int8Tile) group() {
	next := GP64()
	LEAQ(Mem{Base: t.wk, Index: t.ahead, Scale: 1}, next)
	w, size := make([]VecVirtual, t.outs), make([]VecVirtual, t.outs)
	for o := range w {
		PREFETCHT0(nth(next, t.wStride, t.wStride3, o))
		w[o], size[o] = loadSigned(nth(t.wk, t.wStride, t.wStride3, o))
	}
	for r := range t.rows {
		x := YMM()
		VMOVDQU(nth(t.xk, t.xStride, t.xStride3, r), x)
		for o := range w {
			v, s := YMM(), YMM()
			VPSIGNB(w[o], x, v)
			VPMADDUBSW(v, size[o], v)
			VPMADDWD(t.ones, v, v)
			VCVTDQ2PS(v, v)
			VBROADCASTSS(Mem{Base: t.scale}.Offset(32*(r*t.outs+o)), s)
			VFMADD231PS(s, v, t.acc[r*t.outs+o])
		}
	}
	ADDQ(Imm(int8Group), t.xk)
	ADDQ(Imm(int8Group), t.wk)
	ADDQ(Imm(4), t.scale)
}

// loadSigned loads 32 bytes and their magnitudes.
func loadSigned(m Mem) (v, size VecVirtual) {
	v, size = YMM(), YMM()
	VMOVDQU(m, v)
	VPABSB(v, size)
	return v, size
}

// store adds the lanes of the tile's sums and writes them.
func (t *int8Tile) store() {
	if t.rows == 1 {
		VMOVSS(reduceEight4(t.acc), Mem{Base: t.dst})
		return
	}
	stride, to := param("dstStride"), copied(t.dst)
	if t.outs == 1 { // of two rows
		sums := reduceEight4(t.acc)
		VMOVSS(sums, Mem{Base: to})
		VEXTRACTPS(Imm(1), sums, Mem{Base: to, Index: stride, Scale: 1})
		return
	}
	for r := 0; r < t.rows; r += 2 {
		sums := reduceEight4(t.acc[2*r : min(2*r+4, len(t.acc))]) // two outputs of two rows
		VMOVLPS(sums, Mem{Base: to})
		ADDQ(stride, to)
		if r+1 < t.rows {
			VMOVHPS(sums, Mem{Base: to})
			ADDQ(stride, to)
		}
	}
}
