package kernels

// Quantise writes w in 8-bit form into data, Int8Bytes(w.Out, w.In) long, over
// the pool, and returns the matrix that views it. w must be finite and not in
// 8-bit form already.
func Quantise(p *Pool, w Weight, data []byte) Weight {
	if w.Int8 || len(data) != Int8Bytes(w.Out, w.In) {
		panic("kernels: Quantise: the weight is quantised already, or the memory is not of its size")
	}
	q := Weight{Out: w.Out, In: w.In, DType: w.DType, Int8: true, Data: data}
	step := max(taskBytes/w.rowBytes()/int8Block, 1) * int8Block
	p.Run((w.Out+step-1)/step, func(i int) { q.quantise(w, i*step, min((i+1)*step, w.Out)) })
	return q
}

// quantise fills the blocks of outputs [lo, hi).
func (w Weight) quantise(from Weight, lo, hi int) {
	buf, q := widenedRow.get(), int8Scratch.get()
	defer func() { widenedRow.put(buf); int8Scratch.put(q) }()
	*buf = atLeast(*buf, w.In)
	q.reset(int8Block, w.In)
	for ; lo < hi; lo += int8Block {
		for i := range int8Block {
			if lo+i >= hi {
				clear(q.row(i))
				continue
			}
			wide := (*buf)[:w.In]
			active.widen(wide, from.DType, from.row(lo+i))
			active.quantise(q.row(i), wide)
		}
		q.scales(w.block(lo))
		active.interleave(w.block(lo), q)
	}
}

// scales writes the scales of 16 rows into a block of outputs. They are bf16
// numbers, so that two bytes of each are all.
func (q *int8Rows) scales(block []byte) {
	for o := range int8Block {
		for to, row := block, q.row(o); len(row) > 0; to, row = to[blockGroup:], row[rowGroup:] {
			to[2*o], to[2*o+1] = row[2], row[3]
		}
	}
}

// interleavePortable writes the values of 16 rows into a block of outputs.
func interleavePortable(block []byte, q *int8Rows) {
	for o := range int8Block {
		for to, row := block, q.row(o); len(row) > 0; to, row = to[blockGroup:], row[rowGroup:] {
			for i := range int8Group {
				to[blockScales+4*(i/4*int8Block+o)+i%4] = row[8+i] + int8Zero
			}
		}
	}
}
