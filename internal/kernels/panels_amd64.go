package kernels

// panels holds rows of x cut into stretches, as [stretch][row][stride]: rows
// padded with zeros to a multiple of 16 and set apart by stretch+16, so that
// they do not share few sets of the caches as rows a power of two apart would.
type panels struct {
	stretch  int  // elements of a row in one panel
	pairs    bool // of 16 elements, the even ones first, then the odd ones
	buf      []float32
	rows, in int
}

// padded rounds up to whole blocks of lanes.
func padded(n int) int { return (n + lanes - 1) / lanes * lanes }

// count is the number of stretches in a row.
func (p *panels) count() int { return (p.in + p.stretch - 1) / p.stretch }

// pack copies rows of x. stretch and pairs must have been set.
func (p *panels) pack(x []float32, xStride, rows, in int) {
	p.rows, p.in = rows, in
	stride := p.stretch + lanes
	p.buf = atLeast(p.buf, p.count()*rows*stride)
	for r := range rows {
		row := x[r*xStride:][:in]
		for s := range p.count() {
			p.copy(p.buf[(s*rows+r)*stride:], row[s*p.stretch:min((s+1)*p.stretch, in)])
		}
	}
}

// copy fills one row of a panel. Pairs come in whole blocks of lanes.
func (p *panels) copy(to, row []float32) {
	if p.pairs {
		splitPairs(&to[0], &row[0], len(row)/lanes)
		return
	}
	n := copy(to, row)
	clear(to[n:padded(n)])
}

// at is the start of stretch s of row r.
func (p *panels) at(s, r int) *float32 { return &p.buf[(s*p.rows+r)*(p.stretch+lanes)] }
