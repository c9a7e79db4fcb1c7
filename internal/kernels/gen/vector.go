package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vectorFamily writes the elementwise kernels and the scan of bits.
func vectorFamily() {
	table := tailTable()
	signBit := replicated("signBit", 0x80000000)

	function("axpyAVX2", "func(dst, x []float32, a float32)", "axpyAVX2 is dst += a*x.")
	a := broadcast("a")
	elementwise(table, []string{"dst", "x"}, func(v []VecVirtual) {
		VFMADD231PS(v[1], a, v[0])
	}, "dst")

	function("addAVX2", "func(dst, x []float32)", "addAVX2 is dst += x.")
	elementwise(table, []string{"dst", "x"}, func(v []VecVirtual) {
		VADDPS(v[1], v[0], v[0])
	}, "dst")

	function("scaleAVX2", "func(x []float32, a float32)", "scaleAVX2 is x *= a.")
	a = broadcast("a")
	elementwise(table, []string{"x"}, func(v []VecVirtual) { VMULPS(a, v[0], v[0]) }, "x")

	function("divAVX2", "func(x []float32, a float32)", "divAVX2 is x /= a.")
	a = broadcast("a")
	elementwise(table, []string{"x"}, func(v []VecVirtual) { VDIVPS(a, v[0], v[0]) }, "x")

	function("clampAVX2", "func(x []float32, lim float32)", "clampAVX2 limits x to [-lim, lim] and keeps NaN.")
	hi, lo := broadcast("lim"), YMM()
	VXORPS(signBit, hi, lo)
	elementwise(table, []string{"x"}, func(v []VecVirtual) {
		VMINPS(v[0], hi, v[0]) // of two operands with a NaN the first one written wins
		VMAXPS(v[0], lo, v[0])
	}, "x")

	function("scaleMulAVX2", "func(dst, x, w []float32, a float32)", "scaleMulAVX2 is dst = (x*a)*w.")
	a = broadcast("a")
	elementwise(table, []string{"x", "w"}, func(v []VecVirtual) {
		VMULPS(a, v[0], v[0])
		VMULPS(v[1], v[0], v[0])
	}, "dst")

	function("ropeAVX2", "func(a, b, cos, sin []float32)", "ropeAVX2 rotates the pairs (a, b).")
	elementwise(table, []string{"a", "b", "cos", "sin"}, rotate, "a", "b")

	carriesKernel()
}

// rotate leaves the rotated pair in v[0], v[1].
func rotate(v []VecVirtual) {
	ys, xs := YMM(), YMM()
	VMULPS(v[3], v[1], ys)
	VMULPS(v[3], v[0], xs)
	VFMSUB132PS(v[2], ys, v[0]) // x*cos - y*sin
	VFMADD132PS(v[2], xs, v[1]) // y*cos + x*sin
}

// elementwise runs body over eight lanes of each input at a time; body leaves
// the i-th output in v[i]. The length is that of the first output. The last
// lanes are masked: nothing beyond the slices is read or written.
func elementwise(table Mem, ins []string, body func(v []VecVirtual), outs ...string) {
	e := &elements{n: length(outs[0]), ptr: map[string]Register{}, ins: ins, outs: outs, body: body}
	for _, name := range append(ins, outs...) {
		if e.ptr[name] == nil {
			e.ptr[name] = base(name)
		}
	}
	e.i = GP64()
	XORQ(e.i, e.i)
	e.loop("four", 4)
	e.loop("one", 1)
	TESTQ(e.n, e.n)
	JZ(LabelRef("end"))
	mask, _ := tailMask(table, e.n)
	e.vector(0, mask)
	Label("end")
	finish()
}

// elements is the state of an elementwise kernel: element i of n left to do.
type elements struct {
	i, n      Register
	ptr       map[string]Register
	ins, outs []string
	body      func(v []VecVirtual)
}

// loop takes so many vectors at a time while there are as many.
func (e *elements) loop(name string, vectors int) {
	step := U32(8 * vectors)
	SUBQ(step, e.n)
	JLT(LabelRef(name + "End"))
	Label(name)
	for k := range vectors {
		e.vector(k, nil)
	}
	ADDQ(step, e.i)
	SUBQ(step, e.n)
	JGE(LabelRef(name))
	Label(name + "End")
	ADDQ(step, e.n)
}

// vector does the k-th eight elements from i on, or those of the mask.
func (e *elements) vector(k int, mask VecVirtual) {
	at := func(name string) Mem { return Mem{Base: e.ptr[name], Index: e.i, Scale: 4}.Offset(32 * k) }
	v := make([]VecVirtual, len(e.ins))
	for j, name := range e.ins {
		v[j] = YMM()
		load(at(name), mask, v[j])
	}
	e.body(v)
	for j, name := range e.outs {
		store(v[j], mask, at(name))
	}
}

// load reads eight lanes, or those of the mask.
func load(m Mem, mask, v VecVirtual) {
	if mask != nil {
		VMASKMOVPS(m, mask, v)
	} else {
		VMOVUPS(m, v)
	}
}

// store writes eight lanes, or those of the mask.
func store(v, mask VecVirtual, m Mem) {
	if mask != nil {
		VMASKMOVPS(v, mask, m)
	} else {
		VMOVUPS(v, m)
	}
}
