package kernels

import "github.com/olmoe-serving/olmoe-operator/internal/tensor"

// panels holds rows of x cut into stretches, as [stretch][row][panelStride].
type panels struct {
	buf      []float32
	rows, in int
	pairs    bool // of 16 elements, the even ones first, then the odd ones
}

// panelStride is the distance of rows in a panel. Rows of the model are a power
// of two apart and would share few sets of the caches.
const panelStride = stretch + lanes

// count is the number of stretches in a row.
func (p *panels) count() int { return (p.in + stretch - 1) / stretch }

// at is the start of stretch s of row r.
func (p *panels) at(s, r int) *float32 { return &p.buf[(s*p.rows+r)*panelStride] }

// pack copies rows of x in the order in which the kernels widen w.
func (p *panels) pack(x []float32, xStride, rows int, w Weight, pairs bool) {
	p.rows, p.in, p.pairs = rows, w.In, pairs && w.DType == tensor.BF16
	p.buf = atLeast(p.buf, p.count()*rows*panelStride)
	for r := range rows {
		row := x[r*xStride:][:p.in]
		for s := range p.count() {
			from := row[s*stretch : min((s+1)*stretch, p.in)]
			to := p.buf[(s*rows+r)*panelStride:]
			if p.pairs {
				splitPairs(&to[0], &from[0], len(from)/lanes)
			} else {
				copy(to, from)
			}
		}
	}
}
