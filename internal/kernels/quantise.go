package kernels

// Quantise writes w in 8-bit form into data, Int8Bytes(w.Out, w.In) long, over
// the pool, and returns the matrix that views it. w must be finite and not in
// 8-bit form already.
func Quantise(p *Pool, w Weight, data []byte) Weight {
	if w.Int8 || len(data) != Int8Bytes(w.Out, w.In) {
		panic("kernels: Quantise: the weight is quantised already, or the memory is not of its size")
	}
	q := Weight{Out: w.Out, In: w.In, DType: w.DType, Int8: true, Data: data}
	step := max(taskBytes/w.rowBytes(), 1)
	p.Run((w.Out+step-1)/step, func(i int) { q.quantise(w, i*step, min((i+1)*step, w.Out)) })
	return q
}

// quantise fills rows [lo, hi).
func (w Weight) quantise(from Weight, lo, hi int) {
	buf, q := widenedRow.get(), int8Scratch.get()
	defer func() { widenedRow.put(buf); int8Scratch.put(q) }()
	*buf = atLeast(*buf, w.In)
	q.reset(1, w.In)
	for o := lo; o < hi; o++ {
		wide := (*buf)[:w.In]
		active.widen(wide, from.DType, from.row(o))
		active.quantise(q.row(0), wide)
		store(w.row(o), q.row(0), int8Groups(w.In))
	}
}

// store writes a quantised row with scales of 2 bytes: they are bf16 numbers.
// The scales of groups that do not exist are zero.
func store(to, row []byte, groups int) {
	for ; groups > 0; groups -= int8Chunk {
		n := min(groups, int8Chunk)
		for i := range n {
			copy(to[2*i:2*i+2], row[4*i+2:])
		}
		clear(to[2*n : 2*int8Chunk])
		copied := copy(to[2*int8Chunk:], row[4*int8Chunk:][:n*int8Group])
		to, row = to[2*int8Chunk+copied:], row[rowChunk:]
	}
}
