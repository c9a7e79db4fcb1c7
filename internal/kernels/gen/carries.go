package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// carriesKernel is Carries of carries.go for whole blocks.
func carriesKernel() {
	const together = 4 // blocks of 32 bytes
	function("carriesAVX2", "func(p *byte, blocks int, mask, add uint64) uint64", "carriesAVX2 is Carries for blocks of 128 bytes.")
	p, n := param("p"), param("blocks")
	mask, add := broadcastBy(VPBROADCASTQ, "mask"), broadcastBy(VPBROADCASTQ, "add")
	var all [together]VecVirtual
	for i := range all {
		all[i] = zero()
	}
	Label("block")
	for i := range all {
		v := YMM()
		VPAND(Mem{Base: p}.Offset(32*i), mask, v)
		VPADDQ(add, v, v)
		VPOR(v, all[i], all[i])
	}
	ADDQ(U32(32*together), p)
	DECQ(n)
	JNZ(LabelRef("block"))
	VPOR(all[1], all[0], all[0])
	VPOR(all[3], all[2], all[2])
	VPOR(all[2], all[0], all[0])
	half := XMM()
	VEXTRACTI128(Imm(1), all[0], half)
	VPOR(all[0].AsX(), half, half)
	low, high := GP64(), GP64()
	VMOVQ(half, low)
	VPEXTRQ(Imm(1), half, high)
	ORQ(high, low)
	Store(low, ReturnIndex(0))
	finish()
}
