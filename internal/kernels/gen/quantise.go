package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// storedGroups is how many groups' scales the kernel of stored weights divides at a
// time.
const storedGroups = 4

// The scales that the kernel of stored weights divides by: far from where products
// overflow or lose bits.
const leastScale, mostScale = 0x1p-60, 0x1p60

// storedQuantiser is the constants of the kernel of stored weights, beside those that
// it shares.
type storedQuantiser struct {
	*quantiser
	magnitude, flip, high, one, smallest, largest, round, sign Mem
}

// quantiseStoredKernel is quantiseWeights of quantise.go for BF16 as it is stored,
// without offsets, in two passes over a row: scales, each a long chain of dependent
// steps, then values.
func quantiseStoredKernel(shared *quantiser) {
	c := &storedQuantiser{
		quantiser: shared,
		magnitude: words("wordMagnitude", 0x7fff), flip: words("wordFlip", 0xffff),
		high: replicated("highWord", 0xffff0000), one: replicated("floatOne", math.Float32bits(1)),
		smallest: replicated("leastScale", math.Float32bits(leastScale)), largest: replicated("mostScale", math.Float32bits(mostScale)),
		round: replicated("roundToBytes", math.Float32bits(0x1.8p23+int8Zero)), sign: words("byteSigns", 0x8080),
	}
	function("quantiseBF16AVX2", "func(dst, src *byte, groups int) (rest int)",
		"quantiseBF16AVX2 quantises groups of BF16 weights, four at a time, and returns how many are left: less than",
		"four, or those from the first four with a scale that is tiny, huge or not finite on.")
	rest := c.scales()
	Store(rest, ReturnIndex(0))
	c.values(rest)
	finish()
}

// scales writes each group's scale and its reciprocal, where values finds them, and
// returns the number of groups that are left.
func (c *storedQuantiser) scales() (rest Register) {
	dst, src, n, good := param("dst"), param("src"), param("groups"), GP32()
	Label("four")
	CMPQ(n, Imm(storedGroups))
	JB(LabelRef("scaled"))
	c.four(dst, src, good)
	CMPL(good, Imm(1<<storedGroups-1))
	JNE(LabelRef("scaled"))
	ADDQ(U32(storedGroups*rowGroup), dst)
	ADDQ(U32(storedGroups*2*int8Group), src)
	SUBQ(Imm(storedGroups), n)
	JMP(LabelRef("four"))
	Label("scaled")
	return n
}

// four makes the scales of four groups; good gets a bit for each that can be
// divided by.
func (c *storedQuantiser) four(dst, src, good Register) {
	var tops [storedGroups]VecVirtual
	for g := range tops {
		tops[g] = c.top(Mem{Base: src}.Offset(2 * int8Group * g))
	}
	VPUNPCKLDQ(tops[1], tops[0], tops[0])
	VPUNPCKLDQ(tops[3], tops[2], tops[2])
	VPUNPCKLQDQ(tops[2], tops[0], tops[0])
	s := tops[0]
	VPSLLD(Imm(16), s, s) // as float32, without the place of the largest
	VPXOR(c.high, s, s)
	VDIVPS(c.most, s, s)
	VPADDD(c.up, s, s)
	VPAND(c.high, s, s)
	above, below, r := XMM(), XMM(), XMM()
	VCMPPS(Imm(13), c.smallest, s, above) // s >= smallest
	VCMPPS(Imm(2), c.largest, s, below)   // s <= largest
	VANDPS(above, below, below)
	VMOVMSKPS(below, good)
	VMOVUPS(c.one, r)
	VDIVPS(s, r, r)
	low, high := XMM(), XMM()
	VUNPCKLPS(r, s, low)
	VUNPCKHPS(r, s, high)
	for g, v := range []VecVirtual{low, low, high, high} {
		store := []func(...Op){VMOVLPS, VMOVHPS}[g%2]
		store(v, Mem{Base: dst}.Offset(rowGroup*g))
	}
}

// top is the complement of the largest magnitude of a group, in the lowest word.
func (c *storedQuantiser) top(src Mem) VecVirtual {
	mask, a, b := YMM(), YMM(), YMM()
	VMOVDQU(c.magnitude, mask)
	VPAND(src, mask, a)
	VPAND(src.Offset(32), mask, b)
	VPMAXUW(b, a, a)
	high, m := XMM(), XMM()
	VEXTRACTI128(Imm(1), a, high)
	VPMAXUW(high, a.AsX(), m)
	VPXOR(c.flip, m, m)
	VPHMINPOSUW(m, m)
	return m
}

// values writes the values of the groups that have their scale.
func (c *storedQuantiser) values(rest Register) {
	dst, src, n := param("dst"), param("src"), param("groups")
	SUBQ(rest, n)
	JZ(LabelRef("end"))
	next := copied(n) // row, which is requested now: what a disk has just written is in no cache
	SHLQ(Imm(6), next)
	Label("group")
	PREFETCHT0(Mem{Base: src, Index: next, Scale: 1})
	s, r := YMM(), YMM()
	VBROADCASTSS(Mem{Base: dst}, s)
	VBROADCASTSS(Mem{Base: dst}.Offset(4), r)
	var half [2]VecVirtual
	for h := range half {
		even, odd := YMM(), YMM()
		VMOVDQU(Mem{Base: src}.Offset(32*h), odd)
		VPSLLD(Imm(16), odd, even)
		VPAND(c.high, odd, odd)
		even, odd = c.quotient(even, s, r), c.quotient(odd, s, r)
		VPSLLD(Imm(8), odd, odd)
		VPOR(even, odd, odd)
		VPAND(c.up, odd, odd) // the lower word
		half[h] = odd
	}
	VPACKUSDW(half[1], half[0], half[0])
	VPERMQ(Imm(0xd8), half[0], half[0])
	VPXOR(c.sign, half[0], half[0])
	VMOVDQU(half[0], Mem{Base: dst}.Offset(8))
	ADDQ(Imm(rowGroup), dst)
	ADDQ(Imm(2*int8Group), src)
	DECQ(n)
	JNZ(LabelRef("group"))
	Label("end")
}

// quotient is x/s rounded to an integer, plus 128, in the lowest byte of each lane;
// the one above it is zero. It is the product with the scale's reciprocal, made exact
// where x/s is exactly between two integers, which is all that rounding asks for:
// numbers of 8 bits whose quotient is not between two integers are far from it.
func (c *storedQuantiser) quotient(x, s, r VecVirtual) VecVirtual {
	q := YMM()
	VMULPS(r, x, q)
	VFNMADD231PS(q, s, x) // what is left of x
	VFMADD231PS(x, r, q)
	VADDPS(c.round, q, q)
	return q
}
