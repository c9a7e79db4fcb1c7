package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// limitsFamily writes the loops that measure what the machine allows.
func limitsFamily() {
	function("readAVX2", "func(p *byte, blocks int)", "readAVX2 loads blocks of 256 bytes, in order.")
	p, n := param("p"), param("blocks")
	Label("loop")
	for i := range 8 {
		VMOVUPS(Mem{Base: p}.Offset(32*i), YMM())
	}
	ADDQ(U32(256), p)
	DECQ(n)
	JNZ(LabelRef("loop"))
	finish()

	function("fmaAVX2", "func(rounds int)", "fmaAVX2 does 12 independent multiply-adds of 8 lanes a round.")
	n = param("rounds")
	var acc [12]VecVirtual
	for i := range acc {
		acc[i] = zero()
	}
	x := zero()
	Label("loop")
	for _, a := range acc {
		VFMADD231PS(x, x, a)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	finish()

	function("int8AVX2", "func(rounds int)", "int8AVX2 does 6 independent products of 32 bytes, added in fours into int32 lanes, a round.")
	n = param("rounds")
	var sums [6]VecVirtual
	for i := range sums {
		sums[i] = zero()
	}
	bytes, ones := zero(), zero()
	Label("loop")
	for _, a := range sums {
		t := YMM()
		VPMADDUBSW(bytes, bytes, t)
		VPMADDWD(ones, t, t)
		VPADDD(t, a, a)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	finish()
}
