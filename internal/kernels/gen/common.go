package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/mmcloughlin/avo/attr"
)

// function starts a kernel that neither splits the stack nor lets its pointers
// escape.
func function(name, signature string, doc ...string) {
	TEXT(name, attr.NOSPLIT, signature)
	Pragma("noescape")
	Doc(doc...)
}

// param loads an argument into a general register.
func param(name string) Register { return Load(Param(name), GP64()) }

// base and length load the parts of a slice argument.
func base(name string) Register   { return Load(Param(name).Base(), GP64()) }
func length(name string) Register { return Load(Param(name).Len(), GP64()) }

// finish leaves the kernel. VZEROUPPER keeps later SSE code fast.
func finish() {
	VZEROUPPER()
	RET()
}

func zero() VecVirtual {
	v := YMM()
	VXORPS(v, v, v)
	return v
}

// broadcast fills a vector with a float32 argument.
func broadcast(name string) VecVirtual { return broadcastBy(VBROADCASTSS, name) }

// broadcastBy fills a vector with an argument of the instruction's size.
func broadcastBy(instruction func(ops ...Op), name string) VecVirtual {
	v := YMM()
	addr, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	instruction(addr.Addr, v)
	return v
}

// replicated is a constant of eight equal 32-bit lanes.
func replicated(name string, bits uint32) Mem {
	m := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range 8 {
		DATA(4*i, U32(bits))
	}
	return m
}

// words is a constant of 16 equal words.
func words(name string, word uint16) Mem {
	m := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range 16 {
		DATA(2*i, U16(word))
	}
	return m
}

// tailTable is 16 all-ones words followed by 16 zero words: the words from
// index 16-t on are the mask of the first t of 16 lanes.
func tailTable() Mem {
	m := GLOBL("tailMask", attr.RODATA|attr.NOPTR)
	for i := range 16 {
		DATA(4*i, U32(0xffffffff))
	}
	for i := range 16 {
		DATA(64+4*i, U32(0))
	}
	return m
}

// tailMask returns the mask of the first t < 16 lanes, as two vectors.
func tailMask(table Mem, t Register) (lo, hi VecVirtual) {
	p := GP64()
	LEAQ(table, p)
	off := GP64()
	MOVQ(t, off)
	NEGQ(off)
	lo, hi = YMM(), YMM()
	at := Mem{Base: p, Index: off, Scale: 4}
	VMOVUPS(at.Offset(64), lo)
	VMOVUPS(at.Offset(96), hi)
	return lo, hi
}

// reduce4 adds the 16 lanes of up to four accumulators in the canonical order
// (see reduce in lanes.go); lane i of the result is the sum of pair i. The
// accumulators are overwritten.
func reduce4(pairs [][2]VecVirtual) VecVirtual {
	sums := make([]VecVirtual, len(pairs))
	for i, p := range pairs {
		VADDPS(p[1], p[0], p[0])
		sums[i] = p[0]
	}
	return reduceEight4(sums)
}

// reduceEight4 is the rest of reduce4, for up to four accumulators of 8 lanes.
func reduceEight4(sums []VecVirtual) VecVirtual {
	at := func(i int) VecVirtual { return sums[min(i, len(sums)-1)] }
	h01, h23 := YMM(), YMM()
	VHADDPS(at(1), at(0), h01)
	VHADDPS(at(3), at(2), h23)
	VHADDPS(h23, h01, h01)
	high := XMM()
	VEXTRACTF128(Imm(1), h01, high)
	VADDPS(high, h01.AsX(), high)
	return high
}

// reducePairs4 is reduce4 for four accumulators that hold the even lanes and the
// odd lanes: lane j meets lane j+8, which is four places on in the same half,
// then its neighbour, which is in the other half.
func reducePairs4(pairs [][2]VecVirtual) VecVirtual {
	u := make([]VecVirtual, len(pairs))
	for i, p := range pairs {
		for _, half := range p {
			high := XMM()
			VEXTRACTF128(Imm(1), half, high)
			VADDPS(high, half.AsX(), half.AsX())
		}
		u[i] = XMM()
		VADDPS(p[1].AsX(), p[0].AsX(), u[i])
	}
	h01, h23 := XMM(), XMM()
	VHADDPS(u[1], u[0], h01)
	VHADDPS(u[3], u[2], h23)
	VHADDPS(h23, h01, h01)
	return h01
}

// dtypes are the stored element types, by name.
var dtypes = []string{"BF16", "F16", "F32"}

func size(dtype string) int {
	if dtype == "F32" {
		return 4
	}
	return 2
}

// loadWide loads eight stored elements and converts them to float32.
func loadWide(dtype string, m Mem, v VecVirtual) {
	switch dtype {
	case "BF16":
		VPMOVZXWD(m, v)
		VPSLLD(Imm(16), v, v)
	case "F16":
		VCVTPH2PS(m, v)
	case "F32":
		VMOVUPS(m, v)
	}
}

// copied is a new register with the value of r.
func copied(r Register) Register {
	c := GP64()
	MOVQ(r, c)
	return c
}

// triple returns three times the stride if row 3 is ever addressed.
func triple(stride Register, n int) Register {
	if n < 4 {
		return nil
	}
	t := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, t)
	return t
}

// nth is the address of row i < 4 of an array.
func nth(p, stride, stride3 Register, i int) Mem {
	switch i {
	case 0:
		return Mem{Base: p}
	case 3:
		return Mem{Base: p, Index: stride3, Scale: 1}
	}
	return Mem{Base: p, Index: stride, Scale: uint8(i)}
}

// lookahead is where weights are requested before use: some way on along the rows
// that are being read, and at their ends at the beginning of the next rows. So
// many streams are read at once, and what was requested is used before it leaves
// the first-level cache.
type lookahead struct{ distance, left, beyond Register }

// lookAhead starts a new group of rows; skip adds the way from where their elements
// end to where those of the next group begin. The argument "ahead" is the distance
// in bytes, "near" the number of steps until it reaches beyond the rows.
func lookAhead(skip func(beyond Register)) *lookahead {
	l := &lookahead{distance: param("ahead"), left: param("near")}
	l.beyond = copied(l.distance)
	skip(l.beyond)
	return l
}

// rowsOn is the skip of groups of n whole rows without a gap between them: the first
// row's end is the second one's beginning.
func rowsOn(stride Register, n int) func(Register) {
	return func(beyond Register) {
		for range n - 1 {
			ADDQ(stride, beyond)
		}
	}
}

// hint is a way to request weights ahead of their use. Which one is fast depends on
// the maker of the CPU, so every kernel that reads weights is written with each.
type hint struct {
	suffix  string // of kernels' names
	request func(Op)
	doc     string
}

var (
	intoCaches = hint{"", PREFETCHT0, "are prefetched into all caches"}
	pastCaches = hint{"NT", PREFETCHNTA, "are prefetched past the outer caches"}
	hints      = []hint{intoCaches, pastCaches}
)

// width is that of the registers which a kernel of either width is written with.
type width struct {
	prefix   string // of kernels' names
	lanes    int    // float32
	register func() VecVirtual
}

var (
	bits256 = width{"block", 8, func() VecVirtual { return YMM() }}
	bits512 = width{"wideBlock", 16, func() VecVirtual { return ZMM() }}
)

// step returns the place ahead of p, and counts.
func (l *lookahead) step(p Register) Register {
	SUBQ(Imm(1), l.left)
	CMOVQCS(l.beyond, l.distance) // once: what is left does not come to 0 again
	at := GP64()
	LEAQ(Mem{Base: p, Index: l.distance, Scale: 1}, at)
	return at
}

// upcoming is where kernels request the weights that follow those at hand, a few lines
// with each group: rows that come after the first ones find the weights at hand in the
// second-level cache, and memory would stand still while they are multiplied. The
// argument "next" is where to begin, "nextStep" how many bytes on the next group begins.
type upcoming struct {
	at    Register // none in kernels of one and two rows, which are seldom one of several passes
	lines int      // of a group; some more than once if the step is shorter
}

func upcomingWeights(rows, lines int) *upcoming {
	if rows <= 2 {
		return &upcoming{}
	}
	return &upcoming{param("next"), lines}
}

// upcomingOf is what a kernel's comment says of it.
func upcomingOf(rows int) string {
	if rows <= 2 {
		return "It does not use next and nextStep."
	}
	return "From next on weights are prefetched into the second-level cache, nextStep bytes on with each group."
}

// request requests line i of a group.
func (u *upcoming) request(i int) {
	if i < u.lines {
		PREFETCHT1(Mem{Base: u.at}.Offset(64 * i))
	}
}

// step goes on. Registers are few, so the argument stays where it is.
func (u *upcoming) step() {
	if u.at == nil {
		return
	}
	step, err := Param("nextStep").Resolve()
	if err != nil {
		panic(err)
	}
	ADDQ(step.Addr, u.at)
}
