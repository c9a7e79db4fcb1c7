package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// widenFamily writes the conversions of whole groups of eight elements.
func widenFamily() {
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
