package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// widenFamily writes the conversions of whole groups of elements.
func widenFamily() {
	narrowKernel()
	for _, t := range dtypes[:2] { // F32 is a copy
		function("widen"+t, "func(dst *float32, src *byte, groups int)",
			"widen"+t+" converts 8*groups elements.")
		dst, src, n := param("dst"), param("src"), param("groups")
		v := YMM()
		Label("loop")
		loadWide(t, Mem{Base: src}, v)
		VMOVUPS(v, Mem{Base: dst})
		ADDQ(Imm(uint64(8*size(t))), src)
		ADDQ(Imm(32), dst)
		DECQ(n)
		JNZ(LabelRef("loop"))
		finish()
	}
}

// narrowKernel is toBF16 of narrow.go for whole groups of sixteen elements.
func narrowKernel() {
	low, quiet := replicated("lowBits", 0x7fff), replicated("quietBit", 0x40)
	one := replicated("lowestBit", 1)
	function("narrowBF16", "func(dst *byte, src *float32, groups int)",
		"narrowBF16 converts 16*groups elements.")
	dst, src, n := param("dst"), param("src"), param("groups")
	Label("loop")
	var half [2]VecVirtual
	for i := range half {
		v, high, nan := YMM(), YMM(), YMM()
		VMOVUPS(Mem{Base: src}.Offset(32*i), v)
		VCMPPS(Imm(3), v, v, nan) // unordered with itself
		VPSRLD(Imm(16), v, high)
		odd := YMM()
		VPAND(one, high, odd)
		VPADDD(low, v, v)
		VPADDD(odd, v, v)
		VPSRLD(Imm(16), v, v)
		VPOR(quiet, high, high)
		VBLENDVPS(nan, high, v, v)
		half[i] = v
	}
	VPACKUSDW(half[1], half[0], half[0])
	VPERMQ(Imm(0xd8), half[0], half[0])
	VMOVDQU(half[0], Mem{Base: dst})
	ADDQ(Imm(64), src)
	ADDQ(Imm(32), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	finish()
}
