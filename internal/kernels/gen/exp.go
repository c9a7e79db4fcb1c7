package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// expConsts are the constants of exp32 in exp.go of the kernels package, which
// explains them; the two must stay equal to the bit.
type expConsts struct {
	lo, hi, log2e, magic, ln2Hi, ln2Lo, one, bias Mem
	poly                                          []Mem
}

func newExpConsts() *expConsts {
	f := func(name string, v float32) Mem { return replicated(name, math.Float32bits(v)) }
	c := &expConsts{
		lo: f("expLo", -104), hi: f("expHi", 89),
		log2e: f("expLog2e", 1.44269504088896341), magic: f("expMagic", 1.5*(1<<23)),
		ln2Hi: f("expLn2Hi", 0.693359375), ln2Lo: f("expLn2Lo", -2.12194440e-4),
		one: f("expOne", 1), bias: replicated("expBias", 127),
	}
	for i, v := range []float32{
		1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
		4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
	} {
		c.poly = append(c.poly, f("expPoly"+string(rune('0'+i)), v))
	}
	return c
}

// apply replaces v by exp(v), step by step as exp32 does.
func (c *expConsts) apply(v VecVirtual) {
	bound, t, n := YMM(), YMM(), YMM()
	VMOVUPS(c.lo, bound)
	VMAXPS(v, bound, v) // NaN in v stays
	VMOVUPS(c.hi, bound)
	VMINPS(v, bound, v)
	VMOVUPS(c.magic, t)
	VFMADD231PS(c.log2e, v, t)
	VSUBPS(c.magic, t, n)
	VFNMADD231PS(c.ln2Hi, n, v)
	VFNMADD231PS(c.ln2Lo, n, v)
	p, square := YMM(), YMM()
	VMOVUPS(c.poly[0], p)
	for _, k := range c.poly[1:] {
		VFMADD213PS(k, v, p)
	}
	VMULPS(v, v, square)
	VFMADD213PS(v, square, p)
	VADDPS(c.one, p, p)
	c.scale(v, p, t)
}

// scale is v = p * 2^n, where n sits in the low bits of t, in two factors.
func (c *expConsts) scale(v, p, t VecVirtual) {
	half, rest := YMM(), YMM()
	VPSUBD(c.magic, t, t)
	VPSRAD(Imm(1), t, half)
	VPSUBD(half, t, rest)
	for _, x := range []VecVirtual{half, rest} {
		VPADDD(c.bias, x, x)
		VPSLLD(Imm(23), x, x)
	}
	VMULPS(half, p, v)
	VMULPS(rest, v, v)
}

func expFamily() {
	table, c := tailTable(), newExpConsts()
	signBit := replicated("signBit", 0x80000000)

	function("siluMulAVX2", "func(dst, gate, up []float32)", "siluMulAVX2 is dst = gate/(1+exp(-gate)) * up.")
	elementwise(table, []string{"gate", "up"}, func(v []VecVirtual) {
		e := YMM()
		VXORPS(signBit, v[0], e)
		c.apply(e)
		VADDPS(c.one, e, e)
		VDIVPS(e, v[0], v[0])
		VMULPS(v[1], v[0], v[0])
	}, "dst")

	maxKernel(table)
	expSum(table, c)
}

// maxKernel ignores NaNs: VMAXPS gives its first written operand if either is
// one.
func maxKernel(table Mem) {
	negInf := replicated("negInf", 0xff800000)
	function("maxAVX2", "func(x []float32) float32", "maxAVX2 is the largest element, NaNs apart.")
	p, n := base("x"), length("x")
	m := YMM()
	VMOVUPS(negInf, m)
	v := YMM()
	Label("check")
	SUBQ(Imm(8), n)
	JLT(LabelRef("tail"))
	VMOVUPS(Mem{Base: p}, v)
	VMAXPS(m, v, m)
	ADDQ(Imm(32), p)
	JMP(LabelRef("check"))
	Label("tail")
	ADDQ(Imm(8), n)
	JZ(LabelRef("reduce"))
	mask, _ := tailMask(table, n)
	VMASKMOVPS(Mem{Base: p}, mask, v)
	pad := YMM()
	VMOVUPS(negInf, pad)
	VBLENDVPS(mask, v, pad, v)
	VMAXPS(m, v, m)
	Label("reduce")
	x := XMM()
	VEXTRACTF128(Imm(1), m, x)
	VMAXPS(x, m.AsX(), x)
	for _, order := range []uint64{0x4e, 0xb1} { // swap halves, swap neighbours
		y := XMM()
		VPERMILPS(Imm(order), x, y)
		VMAXPS(y, x, x)
	}
	Store(x, ReturnIndex(0))
	finish()
}

// expSum keeps the sum in the canonical 16 lanes.
func expSum(table Mem, c *expConsts) {
	function("expSumAVX2", "func(x []float32, m float32) float32", "expSumAVX2 replaces x by exp(x-m) and returns the sum.")
	p, n, m := base("x"), length("x"), broadcast("m")
	acc := [2]VecVirtual{zero(), zero()}
	Label("check")
	SUBQ(Imm(16), n)
	JLT(LabelRef("tail"))
	for half, a := range acc {
		v := YMM()
		VMOVUPS(Mem{Base: p}.Offset(32*half), v)
		VSUBPS(m, v, v)
		c.apply(v)
		VMOVUPS(v, Mem{Base: p}.Offset(32*half))
		VADDPS(v, a, a)
	}
	ADDQ(Imm(64), p)
	JMP(LabelRef("check"))
	Label("tail")
	ADDQ(Imm(16), n)
	JZ(LabelRef("reduce"))
	lo, hi := tailMask(table, n)
	for half, mask := range []VecVirtual{lo, hi} {
		v := YMM()
		VMASKMOVPS(Mem{Base: p}.Offset(32*half), mask, v)
		VSUBPS(m, v, v)
		c.apply(v)
		VMASKMOVPS(v, mask, Mem{Base: p}.Offset(32*half))
		VANDPS(mask, v, v)
		VADDPS(v, acc[half], acc[half])
	}
	Label("reduce")
	Store(reduce4([][2]VecVirtual{acc}), ReturnIndex(0))
	finish()
}
