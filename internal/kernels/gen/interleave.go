package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// interleaveKernel is interleave of quantise.go.
func interleaveKernel(flip Mem) {
	function("interleaveAVX2", "func(block, rows *byte, stride uintptr, groups int)",
		"interleaveAVX2 writes 16 quantised rows as a block of weights.")
	block, left := param("block"), param("groups")
	var half [2]panel
	half[0].p[0], half[0].stride = param("rows"), param("stride")
	half[0].stride3 = triple(half[0].stride, 8)
	half[0].p[1] = GP64()
	LEAQ(Mem{Base: half[0].p[0], Index: half[0].stride, Scale: 4}, half[0].p[1])
	half[1] = half[0]
	for i := range half[1].p {
		half[1].p[i] = GP64()
		LEAQ(Mem{Base: half[0].p[i], Index: half[0].stride, Scale: 8}, half[1].p[i])
	}
	Label("group")
	for h := range half {
		for r := range 8 {
			scale := GP32() // of which two bytes are all
			MOVWLZX(half[h].scale(r).Offset(2), scale)
			MOVW(scale.As16(), Mem{Base: block}.Offset(2*(8*h+r)))
		}
		for i, v := range transposed(&half[h]) {
			VPXOR(flip, v, v)
			VMOVDQU(v, Mem{Base: block}.Offset(blockScales+64*i+32*h))
		}
		half[h].next()
	}
	ADDQ(U32(blockGroup), block)
	DECQ(left)
	JNZ(LabelRef("group"))
	finish()
}

// transposed is the values of eight rows: vector i holds values 4i..4i+3 of each.
func transposed(rows *panel) (out [8]VecVirtual) {
	var v [8]VecVirtual
	for r := range v {
		v[r] = YMM()
		VMOVDQU(rows.values(r, 0), v[r])
	}
	for r := 0; r < 8; r += 2 { // pairs of rows
		v[r], v[r+1] = pairs(VPUNPCKLDQ, VPUNPCKHDQ, v[r], v[r+1])
	}
	for r := 0; r < 8; r += 4 { // fours: columns 0 and 4, 1 and 5, 2 and 6, 3 and 7
		a, b := pairs(VPUNPCKLQDQ, VPUNPCKHQDQ, v[r], v[r+2])
		c, d := pairs(VPUNPCKLQDQ, VPUNPCKHQDQ, v[r+1], v[r+3])
		v[r], v[r+1], v[r+2], v[r+3] = a, b, c, d
	}
	for i := range 4 {
		out[i], out[i+4] = YMM(), YMM()
		VPERM2I128(Imm(0x20), v[i+4], v[i], out[i])
		VPERM2I128(Imm(0x31), v[i+4], v[i], out[i+4])
	}
	return out
}

// pairs takes the low and the high parts of a and b in turn.
func pairs(low, high func(ops ...Op), a, b VecVirtual) (l, h VecVirtual) {
	l, h = YMM(), YMM()
	low(b, a, l)
	high(b, a, h)
	return l, h
}
