package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// widenFamily writes the conversions of whole groups of eight elements.
func widenFamily() {
	for _, t := range dtypes {
		function("widen"+t, "func(dst *float32, src *byte, ahead uintptr, groups int)",
			"widen"+t+" converts 8*groups elements and prefetches the source ahead bytes on.")
		dst, src, ahead, n := param("dst"), param("src"), param("ahead"), param("groups")
		v := YMM()
		Label("loop")
		PREFETCHT0(Mem{Base: src, Index: ahead, Scale: 1})
		loadWide(t, Mem{Base: src}, v)
		VMOVUPS(v, Mem{Base: dst})
		ADDQ(Imm(uint64(8*size(t))), src)
		ADDQ(Imm(32), dst)
		DECQ(n)
		JNZ(LabelRef("loop"))
		finish()
	}
}
