package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// widenFamily writes the conversions of whole groups of eight elements.
func widenFamily() {
	for _, d := range dtypes[:2] {
		function("widen"+d, "func(dst *float32, src *byte, groups int)",
			"widen"+d+" converts 8*groups elements.")
		dst, src, n := param("dst"), param("src"), param("groups")
		v := YMM()
		Label("loop")
		loadWide(d, Mem{Base: src}, v)
		VMOVUPS(v, Mem{Base: dst})
		ADDQ(Imm(16), src)
		ADDQ(Imm(32), dst)
		DECQ(n)
		JNZ(LabelRef("loop"))
		finish()
	}
}
