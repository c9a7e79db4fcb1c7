package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/mmcloughlin/avo/attr"
)

// quantiser is the constants of the kernels that quantise.
type quantiser struct{ abs, infinity, most, least, up, ones, factor, order Mem }

func quantiserConstants() *quantiser {
	c := &quantiser{
		abs: replicated("absMask", 0x7fffffff), infinity: replicated("infinity", 0x7f800000),
		most: replicated("most", math.Float32bits(127)), least: replicated("least", math.Float32bits(-127)),
		up: replicated("bf16Up", 0xffff), ones: words("byteOnes", 0x0101), factor: words("offsetFactor", 0x10000-int8Zero),
	}
	c.order = GLOBL("packOrder", attr.RODATA|attr.NOPTR)
	for i, from := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(from))
	}
	return c
}

// kernel is quantiseGroup of quantise.go for whole groups. Two are taken at a time:
// each is one long chain of dependent steps.
func (c *quantiser) kernel(name, doc string, pairs bool) {
	function(name, "func(dst *byte, x *float32, groups int)", doc)
	dst, x, n := param("dst"), param("x"), param("groups")
	SUBQ(Imm(2), n)
	JB(LabelRef("last"))
	Label("two")
	c.groups(dst, x, 2, pairs)
	SUBQ(Imm(2), n)
	JAE(LabelRef("two"))
	Label("last")
	ADDQ(Imm(2), n)
	JZ(LabelRef("end"))
	c.groups(dst, x, 1, pairs)
	Label("end")
	finish()
}

// groups quantises n groups and goes on to the next.
func (c *quantiser) groups(dst, x Register, n int, pairs bool) {
	top, scale, valid := YMM(), make([]VecVirtual, n), make([]VecVirtual, n)
	for g := range n {
		scale[g] = groupMax(Mem{Base: x}.Offset(4*int8Group*g), c.abs, pairs)
	}
	VMOVUPS(c.most, top)
	for g := range n {
		valid[g] = c.round(scale[g], top)
	}
	for g := range n {
		c.group(Mem{Base: dst}.Offset(rowGroup*g), Mem{Base: x}.Offset(4*int8Group*g), scale[g], valid[g], top)
	}
	ADDQ(Imm(uint64(n*rowGroup)), dst)
	ADDQ(U32(uint32(4*int8Group*n)), x)
}

// round makes the scale of a largest magnitude, and tells where it is one.
func (c *quantiser) round(d, top VecVirtual) VecVirtual {
	VDIVPS(top, d, d)
	valid, finite, rounded := YMM(), YMM(), YMM()
	VCMPPS(Imm(30), zero(), d, valid)      // d > 0
	VCMPPS(Imm(17), c.infinity, d, finite) // d < +Inf
	VANDPS(finite, valid, valid)
	VPADDD(c.up, d, rounded)
	VPSRLD(Imm(16), rounded, rounded)
	VPSLLD(Imm(16), rounded, rounded)
	VBLENDVPS(valid, rounded, d, d)
	return valid
}

// group writes one group.
func (c *quantiser) group(dst, x Mem, d, valid, top VecVirtual) {
	VMOVSS(d.AsX(), dst)
	var q [4]VecVirtual
	for i := range q {
		q[i] = YMM()
		VMOVUPS(x.Offset(32*i), q[i])
		VDIVPS(d, q[i], q[i])
		VMINPS(top, q[i], q[i])
		VMAXPS(c.least, q[i], q[i])
		VANDPS(valid, q[i], q[i])
		VCVTPS2DQ(q[i], q[i])
	}
	VPACKSSDW(q[1], q[0], q[0])
	VPACKSSDW(q[3], q[2], q[2])
	VPACKSSWB(q[2], q[0], q[0])
	at := YMM()
	VMOVDQU(c.order, at)
	VPERMD(q[0], at, q[0])
	VMOVDQU(q[0], dst.Offset(8))
	VMOVD(groupOffset(q[0], c.ones, c.factor), dst.Offset(4))
}

// groupOffset is the sum of 32 signed bytes, times 16 equal words.
func groupOffset(q VecVirtual, ones, factor Mem) Register {
	one, sum, high := YMM(), YMM(), XMM()
	VMOVDQU(ones, one)
	VPMADDUBSW(q, one, sum)
	VPMADDWD(factor, sum, sum)
	VEXTRACTI128(Imm(1), sum, high)
	VPADDD(high, sum.AsX(), sum.AsX())
	for _, swap := range []uint64{0x4e, 0xb1} { // halves, then neighbours
		VPSHUFD(Imm(swap), sum.AsX(), high)
		VPADDD(high, sum.AsX(), sum.AsX())
	}
	return sum.AsX()
}

// groupMax is the largest magnitude of 32 elements, and of the sums of neighbours
// if pairs, in every lane. Magnitudes compare as integers, which puts NaN above
// infinity.
func groupMax(x, abs Mem, pairs bool) VecVirtual {
	mask, m := YMM(), zero()
	VMOVUPS(abs, mask)
	var v [4]VecVirtual
	for i := range v {
		v[i] = YMM()
		VMOVUPS(x.Offset(32*i), v[i])
	}
	all := v[:]
	if pairs {
		for i := 0; i < len(v); i += 2 {
			sums := YMM()
			VHADDPS(v[i+1], v[i], sums)
			all = append(all, sums)
		}
	}
	for _, v := range all {
		VPAND(mask, v, v)
		VPMAXSD(v, m, m)
	}
	high := XMM()
	VEXTRACTI128(Imm(1), m, high)
	VPMAXSD(high, m.AsX(), m.AsX())
	for _, swap := range []uint64{0x4e, 0xb1} { // halves, then neighbours
		VPSHUFD(Imm(swap), m.AsX(), high)
		VPMAXSD(high, m.AsX(), m.AsX())
	}
	VPBROADCASTD(m.AsX(), m)
	return m
}
