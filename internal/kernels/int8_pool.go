package kernels

import "unsafe"

// quantiseAlone is how many rows the caller quantises itself: a row takes less
// than a microsecond, a round of the pool about one.
const quantiseAlone = 8

// int8Round holds the rows of x that the jobs of a round need in 8-bit form, each
// quantised once. It is part of the pool and reused.
type int8Round struct {
	sources []int8Source
	of      []int  // of[i] is the source of job i, -1 for weights as stored
	buf     []byte // behind all sources
	rows    int
	run     func(int) // the method task, bound once
}

// int8Source is x of one job, or of several: gate and up see the same rows.
type int8Source struct {
	int8Rows
	x              []float32
	xStride, first int // first is its first row in the round
}

func (m *int8Round) load(jobs []Job) {
	m.sources, m.of, m.rows = m.sources[:0], m.of[:0], 0
	for i := range jobs {
		at := -1
		if j := &jobs[i]; j.W.Int8 && j.Rows > 0 {
			at = len(m.sources) - 1
			if at < 0 || !m.sources[at].is(j) {
				m.sources = append(m.sources, int8Source{int8Rows{j.Packed, j.Rows, j.W.In}, j.X, j.XStride, m.rows})
				at++
				m.rows += m.sources[at].toQuantise()
			}
		}
		m.of = append(m.of, at)
	}
	m.place()
}

// toQuantise is how many of the rows are not in 8-bit form yet.
func (s *int8Source) toQuantise() int {
	if s.buf != nil {
		return 0
	}
	return s.rows
}

// is tells whether job j has the same rows of x.
func (s *int8Source) is(j *Job) bool {
	return s.rows == j.Rows && s.in == j.W.In && unsafe.SliceData(s.buf) == unsafe.SliceData(j.Packed) &&
		(s.buf != nil || unsafe.SliceData(s.x) == unsafe.SliceData(j.X) && s.xStride == j.XStride)
}

// place gives every source that has none its part of buf.
func (m *int8Round) place() {
	need := 0
	for i := range m.sources {
		need += m.sources[i].toQuantise() * m.sources[i].stride()
	}
	if len(m.buf) < need {
		m.buf = make([]byte, need)
	}
	for i, rest := 0, m.buf; i < len(m.sources); i++ {
		if s := &m.sources[i]; s.toQuantise() > 0 {
			n := s.rows * s.stride()
			s.buf, rest = rest[:n:n], rest[n:]
		}
	}
}

// quantise fills all sources. The pool is locked.
func (m *int8Round) quantise(p *Pool) {
	if m.rows > quantiseAlone {
		p.runLocked(m.rows, 1, m.run)
		return
	}
	for i := range m.rows {
		m.task(i)
	}
}

// task quantises the t-th row of the round.
func (m *int8Round) task(t int) {
	i := len(m.sources) - 1
	for m.sources[i].first > t {
		i--
	}
	s := &m.sources[i]
	r := t - s.first
	active.quantiseRow(s.row(r), s.x[r*s.xStride:][:s.in])
}
