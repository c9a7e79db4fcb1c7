package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Layout of the operands; the sizes are those of int8.go.
const (
	int8Group   = 32            // elements that share a scale
	int8Block   = 16            // outputs that stand together
	int8Zero    = 128           // what is added to weights
	rowGroup    = 8 + int8Group // bytes of a group of x: scale, offset, values
	blockScales = 2 * int8Block // bytes of a group's scales of a block of weights
	blockGroup  = blockScales + int8Block*int8Group
)

// int8Family writes the quantiser and the products of quantised rows.
func int8Family() {
	c := quantiserConstants()
	c.kernel("quantiseWeightsAVX2", "quantiseWeightsAVX2 quantises whole groups of weights.", false)
	c.kernel("quantiseRowAVX2", "quantiseRowAVX2 quantises whole groups of x.", true)
	quantiseStoredKernel(c)
	interleaveKernel(words("flipBytes", int8Zero<<8|int8Zero))
	ones := words("wordOnes", 1)
	for _, h := range hints {
		for _, s := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {3, 1}, {4, 1}} {
			t := &int8Tile{hint: h, rows: s[0], blocks: s[1]}
			t.emit(ones)
		}
	}
}

// int8Tile is the state of one kernel while it is written. A vector holds what
// belongs to eight outputs, half a block.
type int8Tile struct {
	hint         hint
	rows, blocks int

	dst, w, wStride, n Register
	x                  panel
	wk                 Register // runs along a block
	ahead              *lookahead
	upcoming           *upcoming
	ones               VecVirtual
	acc                []VecVirtual // [row*halves+half], of few rows
	accAt              Mem          // the same of more rows
}

// halves is the number of vectors for a row.
func (t *int8Tile) halves() int { return 2 * t.blocks }

// at is where a half's block is, from p in the first one.
func (t *int8Tile) at(p Register, half int) Mem { return nth(p, t.wStride, nil, half/2) }

// panel addresses rows of x.
type panel struct {
	p               [2]Register // rows 0 and 4
	stride, stride3 Register
}

// load loads the stride and the address of row 0.
func (p *panel) load(rows int) {
	p.p[0] = param("x")
	if rows > 1 {
		p.stride = param("xStride")
		p.stride3 = triple(p.stride, rows)
	}
	if rows > 4 {
		p.p[1] = GP64()
		LEAQ(Mem{Base: p.p[0], Index: p.stride, Scale: 4}, p.p[1])
	}
}

// next goes to the next group.
func (p *panel) next() {
	for _, r := range p.p {
		if r != nil {
			ADDQ(Imm(rowGroup), r)
		}
	}
}

// The parts of row r's group: scale, offset, and four values of it.
func (p *panel) scale(r int) Mem     { return nth(p.p[r/4], p.stride, p.stride3, r%4) }
func (p *panel) offset(r int) Mem    { return p.scale(r).Offset(4) }
func (p *panel) values(r, i int) Mem { return p.scale(r).Offset(8 + 4*i) }

func (t *int8Tile) emit(ones Mem) {
	tileFunction("int8", t.hint, t.rows, t.blocks)
	t.dst, t.w, t.n, t.wStride = param("dst"), param("w"), param("n"), param("wStride")
	t.upcoming = upcomingWeights(t.rows, requestedBlock*t.blocks)
	t.ones = YMM()
	VMOVDQU(ones, t.ones)
	if t.rows > accRows {
		t.accAt = AllocLocal(64 * t.rows)
	}
	eachOutputs(t.dst, t.w, t.wStride, t.n, t.blocks, func() { t.block(); t.store() })
}

// accRows is the number of rows whose sums stay in registers.
const accRows = 2

const int8Signature = "func(dst *float32, dstStride uintptr, x *byte, xStride uintptr, w *byte, wStride, ahead uintptr, near, groups, n int, next *byte, nextStep uintptr)"

// tileFunction starts a kernel of a family.
func tileFunction(family string, h hint, rows, blocks int) {
	name := fmt.Sprintf("%sTile%dx%d%s", family, rows, int8Block*blocks, h.suffix)
	function(name, int8Signature,
		fmt.Sprintf("%s computes n times %d blocks of outputs of %d quantised rows x, of groups groups each.", name, blocks, rows),
		"The weights ahead bytes on "+h.doc+", after near groups those",
		"of the next blocks. Strides are in bytes, that of w from block to block.",
		upcomingOf(rows))
}

// requestedBlock is how many lines of weights a kernel of several rows requests of those
// that follow, for each group of a block at hand, which is eight and a half: all that
// follow in three passes or more, most of them in two.
const requestedBlock = 3

// eachOutputs is the rest of a kernel: n times tile, each with so many blocks of outputs.
func eachOutputs(dst, w, wStride, n Register, blocks int, tile func()) {
	Label("outputs")
	tile()
	ADDQ(U32(4*int8Block*blocks), dst)
	LEAQ(Mem{Base: w, Index: wStride, Scale: uint8(blocks)}, w)
	DECQ(n)
	JNZ(LabelRef("outputs"))
	finish()
}

// block goes over the groups of one block of outputs.
func (t *int8Tile) block() {
	t.clear()
	t.x.load(t.rows)
	left := param("groups")
	t.wk = copied(t.w)
	t.ahead = lookAhead(rowsOn(t.wStride, t.blocks))
	Label("group")
	sum := make([]VecVirtual, t.rows*t.halves())
	for i := range sum {
		sum[i] = YMM()
		VPBROADCASTD(t.x.offset(i/t.halves()), sum[i])
	}
	ahead := t.ahead.step(t.wk)
	for i := range int8Group / 4 {
		for h := 0; h < t.halves(); h += 2 {
			t.hint.request(t.at(ahead, h).Offset(64 * i))
		}
		t.upcoming.request(i)
		t.four(i, sum)
	}
	for h := range t.halves() {
		t.add(h, sum)
	}
	t.x.next()
	t.upcoming.step()
	ADDQ(U32(blockGroup), t.wk)
	DECQ(left)
	JNZ(LabelRef("group"))
}

func (t *int8Tile) clear() {
	t.acc = nil
	if t.rows <= accRows {
		for range t.rows * t.halves() {
			t.acc = append(t.acc, zero())
		}
		return
	}
	z := zero()
	for i := range t.rows * t.halves() {
		VMOVUPS(z, t.accAt.Offset(32*i))
	}
}

// four adds the products of four inputs of the group. VPMADDUBSW takes one
// unsigned operand: weights are stored plus 128. What that adds to a sum is taken
// off at its start. No sum of two products is beyond 16 bits: neighbours of x with
// one sign have at most 128 together (quantiseRow).
func (t *int8Tile) four(i int, sum []VecVirtual) {
	w := make([]VecVirtual, t.halves())
	for h := range w {
		w[h] = YMM()
		VMOVDQU(t.at(t.wk, h).Offset(blockScales+64*i+32*(h%2)), w[h])
	}
	for r := range t.rows {
		x := YMM()
		VPBROADCASTD(t.x.values(r, i), x)
		for h := range w {
			v, s := YMM(), sum[r*t.halves()+h]
			VPMADDUBSW(x, w[h], v)
			VPMADDWD(t.ones, v, v)
			VPADDD(v, s, s)
		}
	}
}

// add adds the group's sums, times both scales.
func (t *int8Tile) add(h int, sum []VecVirtual) {
	s := YMM()
	loadWide("BF16", t.at(t.wk, h).Offset(16*(h%2)), s)
	for r := range t.rows {
		i := r*t.halves() + h
		v, p := sum[i], YMM()
		VBROADCASTSS(t.x.scale(r), p)
		VMULPS(p, s, p)
		VCVTDQ2PS(v, v)
		if t.acc != nil {
			VFMADD231PS(p, v, t.acc[i])
			continue
		}
		VFMADD213PS(t.accAt.Offset(32*i), p, v)
		VMOVUPS(v, t.accAt.Offset(32*i))
	}
}

// store writes the sums.
func (t *int8Tile) store() {
	to := copied(t.dst)
	for i := range t.rows * t.halves() {
		v, h := YMM(), i%t.halves()
		if t.acc != nil {
			v = t.acc[i]
		} else {
			VMOVUPS(t.accAt.Offset(32*i), v)
		}
		VMOVUPS(v, Mem{Base: to}.Offset(32*h))
		if h == t.halves()-1 && i < t.rows*t.halves()-1 {
			ADDQ(param("dstStride"), to)
		}
	}
}
