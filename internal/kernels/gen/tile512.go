package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// wideOuts is the number of outputs in a tile of 512-bit registers.
const wideOuts = 4

// tile512Family writes the kernels for several rows of x in 512-bit registers, one of
// which holds all lanes of a sum: up to six rows, four outputs at a time.
func tile512Family() {
	for _, dtype := range dtypes {
		for rows := 2; rows <= 6; rows++ {
			t := &wideTile{dtype: dtype, rows: rows}
			t.emit()
		}
	}
}

// wideTile is the state of one kernel while it is written.
type wideTile struct {
	dtype string
	rows  int

	acc, x, w, stride, stride3, groups Register
	ahead                              *lookahead
	sums                               []VecVirtual // [row*wideOuts+out]
}

func (t *wideTile) emit() {
	name := fmt.Sprintf("wide%s_%d", t.dtype, t.rows)
	function(name, "func(acc, x *float32, w *byte, stride, ahead uintptr, near, blocks, groups int)",
		fmt.Sprintf("%s adds to acc [%d][32][16] the products of a panel x of %d rows with", name, t.rows, t.rows),
		fmt.Sprintf("groups*%d rows of w, stride bytes apart, 16*blocks elements each. The weights ahead bytes on", wideOuts),
		intoCaches.doc+", after near blocks those of the next rows.")
	t.acc, t.x, t.w = param("acc"), param("x"), param("w")
	t.stride, t.groups = param("stride"), param("groups")
	t.stride3 = triple(t.stride, wideOuts)
	for range t.rows * wideOuts {
		t.sums = append(t.sums, ZMM())
	}
	Label("group")
	t.ahead = lookAhead(rowsBeyond(t.stride, wideOuts, t.dtype))
	t.lanes(func(m Mem, v VecVirtual) { VMOVUPS(m, v) })
	xk, wk, left := copied(t.x), copied(t.w), param("blocks")
	Label("block")
	t.block(xk, wk)
	DECQ(left)
	JNZ(LabelRef("block"))
	t.lanes(func(m Mem, v VecVirtual) { VMOVUPS(v, m) })
	ADDQ(U32(64*wideOuts), t.acc)
	LEAQ(Mem{Base: t.w, Index: t.stride, Scale: wideOuts}, t.w)
	DECQ(t.groups)
	JNZ(LabelRef("group"))
	finish()
}

// lanes moves the accumulators from or to memory.
func (t *wideTile) lanes(move func(m Mem, v VecVirtual)) {
	for i, v := range t.sums {
		move(Mem{Base: t.acc}.Offset(i/wideOuts*accBytes+i%wideOuts*64), v)
	}
}

// block takes 16 elements of every row and output.
func (t *wideTile) block(xk, wk Register) {
	p := t.ahead.step(wk)
	w := make([]VecVirtual, wideOuts)
	for n := range w {
		intoCaches.request(nth(p, t.stride, t.stride3, n))
		w[n] = ZMM()
		loadWide(t.dtype, nth(wk, t.stride, t.stride3, n), w[n])
	}
	for r := range t.rows {
		x := ZMM()
		VMOVUPS(Mem{Base: xk}.Offset(r*panelBytes), x)
		for n := range w {
			VFMADD231PS(x, w[n], t.sums[r*wideOuts+n])
		}
	}
	ADDQ(Imm(64), xk)
	ADDQ(Imm(uint64(16*size(t.dtype))), wk)
}
