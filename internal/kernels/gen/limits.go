package main

import (
	"fmt"

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

	for _, h := range hints {
		readStreams(h)
	}

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

// readStreams reads as the products of one row do: in several streams, requested before.
func readStreams(h hint) {
	const ahead = 2 << 10
	function("readStreams"+h.suffix, "func(p *byte, stride uintptr, lines int)",
		"readStreams"+h.suffix+" loads lines of 64 bytes from each of four places stride bytes apart. Those "+fmt.Sprint(ahead)+" bytes on",
		h.doc+".")
	p, stride, n := param("p"), param("stride"), param("lines")
	stride3 := triple(stride, 4)
	Label("loop")
	for i := range 4 {
		at := nth(p, stride, stride3, i)
		h.request(at.Offset(ahead))
		VMOVUPS(at, YMM())
		VMOVUPS(at.Offset(32), YMM())
	}
	ADDQ(Imm(64), p)
	DECQ(n)
	JNZ(LabelRef("loop"))
	finish()
}
