package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	// tileOuts is the number of outputs in a tile.
	tileOuts = 2
	// Layout of the operands; the sizes are those of matmul_tiled_amd64.go.
	panelBytes = 4 * (1024 + 16) // rows of a panel of x: stretch + lanes
	accBytes   = 4 * 32 * 16     // lanes of outBlock outputs
)

// tileFamily writes the kernels for several rows of x, two to four at a time.
// They use the weights as stored, two outputs at a time, while a stretch of x
// stays in the first-level cache. At most 12 of 16 registers are accumulators.
func tileFamily() {
	mask := replicated("highHalf", 0xffff0000)
	for _, h := range hints {
		for _, dtype := range dtypes {
			for rows := 2; rows <= 4; rows++ {
				t := &tile{hint: h, dtype: dtype, rows: rows, highMask: mask}
				t.emit()
			}
		}
	}
	splitPairs()
	reduceKernel("reduceLanes", reduce4)
	reduceKernel("reducePairs", reducePairs4)
}

// tile is the state of one kernel while it is written.
type tile struct {
	hint  hint
	dtype string
	rows  int

	acc, x, w, stride, blocks, groups Register
	ahead                             *lookahead
	sums                              [][2]VecVirtual // [row*tileOuts+out]

	highMask Mem
	high     VecVirtual // the upper halves of words, for BF16
}

func (t *tile) emit() {
	name := fmt.Sprintf("tile%s_%d%s", t.dtype, t.rows, t.hint.suffix)
	function(name, "func(acc, x *float32, w *byte, stride, ahead uintptr, near, blocks, groups int)",
		fmt.Sprintf("%s adds to acc [%d][32][16] the products of a panel x of %d rows with", name, t.rows, t.rows),
		"groups*2 rows of w, stride bytes apart, 16*blocks elements each. The weights ahead bytes on",
		t.hint.doc+", after near blocks those of the next rows.")
	t.acc, t.x, t.w = param("acc"), param("x"), param("w")
	t.stride, t.blocks, t.groups = param("stride"), param("blocks"), param("groups")
	if t.dtype == "BF16" {
		t.high = YMM()
		VMOVUPS(t.highMask, t.high)
	}
	Label("group")
	t.ahead = lookAhead(rowsBeyond(t.stride, tileOuts, t.dtype))
	for i, halves := range t.runs() {
		t.run(fmt.Sprintf("block%d", i), halves)
	}
	ADDQ(U32(64*tileOuts), t.acc)
	for range tileOuts {
		ADDQ(t.stride, t.w)
	}
	DECQ(t.groups)
	JNZ(LabelRef("group"))
	finish()
}

// rowsBeyond is the skip of groups of n rows of which the argument "blocks" are taken: the
// way from where a group's elements end to where the next one's begin.
func rowsBeyond(stride Register, n int, dtype string) func(Register) {
	return func(beyond Register) {
		for range n {
			ADDQ(stride, beyond)
		}
		taken := param("blocks")
		IMUL3Q(U32(16*size(dtype)), taken, taken)
		SUBQ(taken, beyond)
	}
}

// runs tells which halves of the lanes are taken together: both if they fit in
// 12 registers, else one after the other.
func (t *tile) runs() [][]int {
	if 2*t.rows*tileOuts <= 12 {
		return [][]int{{0, 1}}
	}
	return [][]int{{0}, {1}}
}

// run goes over all blocks of a group once.
func (t *tile) run(loop string, halves []int) {
	t.lanes(halves, func(m Mem, v VecVirtual) { VMOVUPS(m, v) })
	xk, wk, left := copied(t.x), copied(t.w), copied(t.blocks)
	Label(loop)
	if halves[0] == 0 {
		t.prefetch(wk)
	}
	for _, half := range halves {
		t.step(half, xk, wk)
	}
	ADDQ(Imm(64), xk)
	ADDQ(Imm(uint64(16*size(t.dtype))), wk)
	DECQ(left)
	JNZ(LabelRef(loop))
	t.lanes(halves, func(m Mem, v VecVirtual) { VMOVUPS(v, m) })
}

// lanes moves the accumulators of some halves from or to memory.
func (t *tile) lanes(halves []int, move func(m Mem, v VecVirtual)) {
	for i := range t.rows * tileOuts {
		if len(t.sums) <= i {
			t.sums = append(t.sums, [2]VecVirtual{YMM(), YMM()})
		}
		for _, half := range halves {
			move(Mem{Base: t.acc}.Offset(i/tileOuts*accBytes+i%tileOuts*64+32*half), t.sums[i][half])
		}
	}
}

func (t *tile) prefetch(wk Register) {
	p := t.ahead.step(wk)
	for n := range tileOuts {
		t.hint.request(nth(p, t.stride, nil, n))
	}
}

// step takes half of the lanes of a block: the first or last eight elements, or
// the even or odd ones for BF16.
func (t *tile) step(half int, xk, wk Register) {
	w := make([]VecVirtual, tileOuts)
	for n := range w {
		w[n] = YMM()
		m := nth(wk, t.stride, nil, n)
		if t.dtype == "BF16" {
			widenPairs(half, m, t.high, w[n])
		} else {
			loadWide(t.dtype, m.Offset(8*size(t.dtype)*half), w[n])
		}
	}
	for r := range t.rows {
		x := YMM()
		VMOVUPS(Mem{Base: xk}.Offset(r*panelBytes+32*half), x)
		for n := range w {
			VFMADD231PS(x, w[n], t.sums[r*tileOuts+n][half])
		}
	}
}

// widenPairs takes the even or the odd elements of 16 BF16: the low or the high
// halves of eight words. That is one cheap instruction, where the conversion in
// order needs a shuffle and a shift.
func widenPairs(half int, m Mem, high, v VecVirtual) {
	if half == 0 {
		VMOVUPS(m, v)
		VPSLLD(Imm(16), v, v)
	} else {
		VPAND(m, high, v)
	}
}

// splitPairs puts x in the order of widenPairs.
func splitPairs() {
	function("splitPairs", "func(dst, src *float32, blocks int)",
		"splitPairs copies blocks of 16 floats: of each block the even elements, then the odd ones.")
	dst, src, n := param("dst"), param("src"), param("blocks")
	Label("block")
	a, b := YMM(), YMM()
	VMOVUPS(Mem{Base: src}, a)
	VMOVUPS(Mem{Base: src}.Offset(32), b)
	for half, order := range []uint64{0x88, 0xdd} {
		v := YMM()
		VSHUFPS(Imm(order), b, a, v) // a0 a2 b0 b2 | a4 a6 b4 b6, or the odd ones
		VPERMPD(Imm(0xd8), v, v)     // a0 a2 a4 a6 | b0 b2 b4 b6
		VMOVUPS(v, Mem{Base: dst}.Offset(32*half))
	}
	ADDQ(Imm(64), src)
	ADDQ(Imm(64), dst)
	DECQ(n)
	JNZ(LabelRef("block"))
	finish()
}

// reduceKernel is the last step of a product of several rows.
func reduceKernel(name string, reduce func([][2]VecVirtual) VecVirtual) {
	function(name, "func(dst, acc *float32, groups int)",
		name+" adds the lanes of acc [groups*4][16] and writes the sums to dst.")
	dst, acc, groups := param("dst"), param("acc"), param("groups")
	Label("group")
	pairs := make([][2]VecVirtual, 4)
	for n := range pairs {
		pairs[n] = [2]VecVirtual{YMM(), YMM()}
		VMOVUPS(Mem{Base: acc}.Offset(64*n), pairs[n][0])
		VMOVUPS(Mem{Base: acc}.Offset(64*n+32), pairs[n][1])
	}
	VMOVUPS(reduce(pairs), Mem{Base: dst})
	ADDQ(Imm(16), dst)
	ADDQ(U32(256), acc)
	DECQ(groups)
	JNZ(LabelRef("group"))
	finish()
}
