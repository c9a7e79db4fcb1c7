package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vnniFamily writes the products of quantised rows for AVX-512 VNNI, and the
// loops that measure what such a CPU allows. One and two rows take four blocks of
// outputs, streams of memory, more take two, which share x.
func vnniFamily() {
	for _, s := range [][2]int{{1, 1}, {1, 4}, {2, 4}, {3, 2}, {4, 2}, {5, 2}, {6, 2}} {
		t := &vnniTile{rows: s[0], blocks: s[1]}
		t.emit()
	}
	vnniPeak()
	fmaPeak512()
}

// vnniTile is the state of one kernel while it is written. A register holds what
// belongs to the 16 outputs of a block.
type vnniTile struct {
	rows, blocks int

	dst, w, n         Register
	wStride, wStride3 Register
	x                 panel
	wk                Register // runs along a block
	ahead             *lookahead
	upcoming          *upcoming
	acc               []VecVirtual // [row*blocks+block]
}

func (t *vnniTile) emit() {
	tileFunction("vnni", intoCaches, t.rows, t.blocks)
	t.dst, t.w, t.n, t.wStride = param("dst"), param("w"), param("n"), param("wStride")
	t.wStride3 = triple(t.wStride, t.blocks)
	t.upcoming = upcomingWeights(t.rows, requestedBlock*t.blocks)
	eachOutputs(t.dst, t.w, t.wStride, t.n, t.blocks, func() { t.tile(); t.store() })
}

// block is the address of block b of the weights.
func (t *vnniTile) block(p Register, b int) Mem { return nth(p, t.wStride, t.wStride3, b) }

// tile goes over the groups of the tile's blocks.
func (t *vnniTile) tile() {
	t.acc = nil
	for range t.rows * t.blocks {
		t.acc = append(t.acc, zero512())
	}
	t.x.load(t.rows)
	left := param("groups")
	t.wk = copied(t.w)
	t.ahead = lookAhead(rowsOn(t.wStride, t.blocks))
	Label("group")
	sum := t.products()
	for b := range t.blocks {
		t.add(b, sum)
	}
	t.x.next()
	t.upcoming.step()
	ADDQ(U32(blockGroup), t.wk)
	DECQ(left)
	JNZ(LabelRef("group"))
}

// products are the sums of one group, [row*blocks+block]. VPDPBUSD takes one
// unsigned operand: weights are stored plus 128. What that adds to a sum, 128
// times the sum of the group of x, is taken off at its start; all of this is exact.
func (t *vnniTile) products() []VecVirtual {
	sum := make([]VecVirtual, t.rows*t.blocks)
	for i := range sum {
		sum[i] = ZMM()
		VPBROADCASTD(t.x.offset(i/t.blocks), sum[i])
	}
	next := t.ahead.step(t.wk)
	for i := range int8Group / 4 {
		w := make([]VecVirtual, t.blocks)
		for b := range w {
			w[b] = ZMM()
			VMOVDQU32(t.block(t.wk, b).Offset(blockScales+64*i), w[b])
			intoCaches.request(t.block(next, b).Offset(64 * i))
		}
		t.upcoming.request(i)
		for r := range t.rows {
			x := ZMM()
			VPBROADCASTD(t.x.values(r, i), x)
			for b := range w {
				VPDPBUSD(x, w[b], sum[r*t.blocks+b])
			}
		}
	}
	return sum
}

// add adds the group's sums, times both scales.
func (t *vnniTile) add(b int, sum []VecVirtual) {
	s := ZMM()
	VPMOVZXWD(t.block(t.wk, b), s)
	VPSLLD(Imm(16), s, s)
	for r := range t.rows {
		v, p := sum[r*t.blocks+b], ZMM()
		VMULPS_BCST(t.x.scale(r), s, p)
		VCVTDQ2PS(v, v)
		VFMADD231PS(p, v, t.acc[r*t.blocks+b])
	}
}

// store writes the sums.
func (t *vnniTile) store() {
	to := copied(t.dst)
	for i, sum := range t.acc {
		b := i % t.blocks
		VMOVUPS(sum, Mem{Base: to}.Offset(4*int8Block*b))
		if b == t.blocks-1 && i < len(t.acc)-1 {
			ADDQ(param("dstStride"), to)
		}
	}
}

func zero512() VecVirtual {
	v := ZMM()
	VPXORD(v, v, v)
	return v
}

// vnniPeak and fmaPeak512 keep 12 sums: an instruction of 4 or 5 cycles, two a
// cycle, needs 10.
func vnniPeak() {
	loop512("int8VNNI", "int8VNNI does 12 independent products of 64 bytes, added in fours into int32 lanes, a round.",
		func(x, sum VecVirtual) { VPDPBUSD(x, x, sum) })
}

func fmaPeak512() {
	loop512("fmaAVX512", "fmaAVX512 does 12 independent multiply-adds of 16 lanes a round.",
		func(x, sum VecVirtual) { VFMADD231PS(x, x, sum) })
}

// loop512 writes a loop that measures one instruction.
func loop512(name, doc string, step func(x, sum VecVirtual)) {
	function(name, "func(rounds int)", doc)
	n := param("rounds")
	var sums [12]VecVirtual
	for i := range sums {
		sums[i] = zero512()
	}
	x := zero512()
	Label("loop")
	for _, s := range sums {
		step(x, s)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	finish()
}
