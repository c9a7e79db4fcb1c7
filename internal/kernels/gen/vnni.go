package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/mmcloughlin/avo/attr"
)

// vnniFamily writes the products of quantised rows for AVX-512 VNNI, and the
// loops that measure what such a CPU allows.
func vnniFamily() {
	c := vnniConstants{
		flip: constant("vnniFlip", func(int) uint32 { return 0x80808080 }),
		one:  constant("vnniOne", func(int) uint32 { return 1 }),
		lane: constant("vnniLane", func(lane int) uint32 { return uint32(lane / 8 * int8Chunk) }),
	}
	for _, s := range [][2]int{{1, 1}, {2, 1}, {3, 2}, {4, 2}} {
		t := &vnniTile{rows: s[0], pairs: s[1], from: c}
		t.emit()
	}
	vnniPeak()
	fmaPeak512()
}

// constant is a zmm of 32-bit lanes.
func constant(name string, lane func(i int) uint32) Mem {
	m := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range 16 {
		DATA(4*i, U32(lane(i)))
	}
	return m
}

type vnniConstants struct {
	flip Mem // bytes 0x80: as unsigned bytes 128
	one  Mem
	lane Mem // where the scales of a pair's two outputs start
}

// vnniTile is the state of one kernel while it is written. A register of 16
// lanes holds the 8 lanes of one output and the 8 of the next: a pair. So the
// order of sums is that of 8 lanes, and a register is full.
type vnniTile struct {
	rows, pairs int
	from        vnniConstants

	dst, x, xStride, xStride3, w, wStride, wStride3, ahead, n Register
	xk, wk                                                    Register // run along a row
	flip, one, lane, none                                     VecVirtual
	group                                                     VecVirtual    // index of the group's scales, for each lane
	acc                                                       []VecPhysical // [row*pairs+pair]
	products                                                  []VecVirtual  // the same, of the scales of a chunk, two times 8
}

func (t *vnniTile) emit() {
	outs := 2 * t.pairs
	function(fmt.Sprintf("vnniTile%dx%d", t.rows, outs),
		"func(dst *float32, dstStride uintptr, x *byte, xStride uintptr, w *byte, wStride, ahead uintptr, groups, n int)",
		fmt.Sprintf("vnniTile%dx%d computes n*%d outputs of %d quantised rows x, of groups groups each. The weights", t.rows, outs, outs, t.rows),
		"ahead bytes on are prefetched. Strides are in bytes.")
	t.dst, t.x, t.w, t.n = param("dst"), param("x"), param("w"), param("n")
	t.wStride, t.ahead = param("wStride"), param("ahead")
	t.wStride3 = triple(t.wStride, outs)
	if t.rows > 1 {
		t.xStride = param("xStride")
		t.xStride3 = triple(t.xStride, t.rows)
	}
	t.flip, t.one, t.lane, t.none = load512(t.from.flip), load512(t.from.one), load512(t.from.lane), zero512()
	Label("outputs")
	t.tile()
	t.store()
	ADDQ(Imm(uint64(4*outs)), t.dst)
	LEAQ(Mem{Base: t.w, Index: t.wStride, Scale: uint8(outs)}, t.w)
	DECQ(t.n)
	JNZ(LabelRef("outputs"))
	finish()
}

// tile goes over the groups of one tile, chunk by chunk.
func (t *vnniTile) tile() {
	t.acc, t.products = nil, nil
	for i := range t.rows * t.pairs {
		t.acc = append(t.acc, accumulators[i])
		t.products = append(t.products, ZMM())
		VPXORD(accumulators[i], accumulators[i], accumulators[i])
	}
	t.xk, t.wk = copied(t.x), copied(t.w)
	overGroups(t.scales, func() {
		t.group = ZMM()
		VMOVDQA32(t.lane, t.group)
	}, t.oneGroup)
}

// accumulators are registers that instructions without EVEX can address: the
// last sums need them.
var accumulators = []VecPhysical{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7}

// output is the address of row o of w.
func (t *vnniTile) output(p Register, o int) Mem { return nth(p, t.wStride, t.wStride3, o) }

// scales multiplies the scales of a chunk, row by pair.
func (t *vnniTile) scales() {
	for p := range t.pairs {
		low, high, s := YMM(), YMM(), ZMM()
		VPMOVZXWD(t.output(t.wk, 2*p), low)
		VPMOVZXWD(t.output(t.wk, 2*p+1), high)
		VINSERTI64X4(Imm(1), high, low.AsZ(), s)
		VPSLLD(Imm(16), s, s)
		for r := range t.rows {
			x := ZMM()
			VBROADCASTF64X4(nth(t.xk, t.xStride, t.xStride3, r), x)
			VMULPS(x, s, t.products[r*t.pairs+p])
		}
	}
	ADDQ(Imm(rowScaleBytes), t.xk)
	ADDQ(Imm(storeScaleBytes), t.wk)
}

// oneGroup adds the products of one group. VPDPBUSD takes one unsigned operand:
// x+128. What that adds to a sum, 128 times the sum of the weights, is taken off
// at its start; all of this is exact.
func (t *vnniTile) oneGroup() {
	next := GP64()
	LEAQ(Mem{Base: t.wk, Index: t.ahead, Scale: 1}, next)
	w, start := make([]VecVirtual, t.pairs), make([]VecVirtual, t.pairs)
	for p := range w {
		PREFETCHT0(t.output(next, 2*p))
		PREFETCHT0(t.output(next, 2*p+1))
		w[p], start[p] = ZMM(), zero512()
		low := YMM()
		VMOVDQU32(t.output(t.wk, 2*p), low)
		VINSERTI64X4(Imm(1), t.output(t.wk, 2*p+1), low.AsZ(), w[p])
		VPDPBUSD(w[p], t.flip, start[p])
		VPSUBD(start[p], t.none, start[p])
	}
	for r := range t.rows {
		x := ZMM()
		VBROADCASTI64X4(nth(t.xk, t.xStride, t.xStride3, r), x)
		VPXORD(t.flip, x, x)
		for p := range w {
			v, s := ZMM(), ZMM()
			VMOVDQA32(start[p], v)
			VPDPBUSD(w[p], x, v)
			VCVTDQ2PS(v, v)
			VPERMPS(t.products[r*t.pairs+p], t.group, s)
			VFMADD231PS(s, v, t.acc[r*t.pairs+p])
		}
	}
	VPADDD(t.one, t.group, t.group)
	ADDQ(Imm(int8Group), t.xk)
	ADDQ(Imm(int8Group), t.wk)
}

// store adds the lanes of the tile's sums and writes them: four outputs of a row,
// or two of two rows.
func (t *vnniTile) store() {
	to := copied(t.dst)
	for i := 0; i < len(t.acc); i += 2 {
		sums := reduceFour(t.acc[i], t.acc[min(i+1, len(t.acc)-1)])
		switch {
		case t.pairs == 2:
			VMOVUPS(sums, Mem{Base: to})
			ADDQ(param("dstStride"), to)
		case t.rows == 2:
			VMOVHPS(sums, Mem{Base: to, Index: param("dstStride"), Scale: 1})
			fallthrough
		default:
			VMOVLPS(sums, Mem{Base: to})
		}
	}
}

// reduceFour adds the lanes of two pairs, as reduceEight4.
func reduceFour(a, b VecPhysical) Register {
	VEXTRACTF64X4(Imm(1), a, Y8)
	VEXTRACTF64X4(Imm(1), b, Y9)
	VHADDPS(Y8, a.AsY(), Y10)
	VHADDPS(Y9, b.AsY(), Y11)
	VHADDPS(Y11, Y10, Y10)
	VEXTRACTF128(Imm(1), Y10, X11)
	VADDPS(X11, X10, X11)
	return X11
}

func load512(m Mem) VecVirtual {
	v := ZMM()
	VMOVDQU32(m, v)
	return v
}

func zero512() VecVirtual {
	v := ZMM()
	VPXORD(v, v, v)
	return v
}

// vnniPeak and fmaPeak512 keep 12 sums: an instruction of 4 or 5 cycles, two a
// cycle, needs 10.
func vnniPeak() {
	loop512("int8VNNI", "int8VNNI does 12 independent products of 64 bytes, added in fours into int32 lanes, a round.",
		func(x, sum VecVirtual) { VPDPBUSD(x, x, sum) })
}

func fmaPeak512() {
	loop512("fmaAVX512", "fmaAVX512 does 12 independent multiply-adds of 16 lanes a round.",
		func(x, sum VecVirtual) { VFMADD231PS(x, x, sum) })
}

// loop512 writes a loop that measures one instruction.
func loop512(name, doc string, step func(x, sum VecVirtual)) {
	function(name, "func(rounds int)", doc)
	n := param("rounds")
	var sums [12]VecVirtual
	for i := range sums {
		sums[i] = zero512()
	}
	x := zero512()
	Label("loop")
	for _, s := range sums {
		step(x, s)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	finish()
}
