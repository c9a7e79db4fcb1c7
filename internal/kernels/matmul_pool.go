package kernels

import "runtime/debug"

// Job is one product: Dst[r*DstStride+o] = sum_i X[r*XStride+i] * W[o,i] for Rows rows.
type Job struct {
	Dst, X                   []float32
	DstStride, XStride, Rows int
	W                        Weight
	// Packed is X in 8-bit form, row after row (see Pack), for weights in that form: the
	// product is the same, and X is not looked at. nil = there is X.
	Packed []byte
}

// MatMulMany computes several products in one round of the pool, so that
// workers need not meet between them. Their destinations must not overlap.
func MatMulMany(p *Pool, jobs []Job) {
	for i := range jobs {
		j := &jobs[i]
		if j.Rows > 0 {
			j.check(0, j.W.Out)
		}
	}
	if p == nil || p.workers == 1 || !p.busy.TryLock() {
		computeInline(jobs)
		return
	}
	defer p.busy.Unlock()
	p.mm.load(jobs)
	defer p.mm.clear()
	p.mm.int8.quantise(p)
	p.runLocked(p.mm.tasks, tasksTogether, p.mm.run)
}

func computeInline(jobs []Job) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for i := range jobs {
		jobs[i].compute(0, jobs[i].W.Out)
	}
}

// matMulRound splits jobs into tasks. It is part of the pool and reused: a
// round allocates nothing.
type matMulRound struct {
	jobs  []Job
	first []int // first[i] is the first task of job i
	tasks int
	run   func(int) // the method task, bound once
	int8  int8Round // what the jobs need before
}

func (m *matMulRound) init() { m.run, m.int8.run = m.task, m.int8.task }

func (m *matMulRound) load(jobs []Job) {
	m.jobs = append(m.jobs[:0], jobs...)
	m.int8.load(m.jobs)
	m.first, m.tasks = m.first[:0], 0
	for i := range m.jobs {
		m.first = append(m.first, m.tasks)
		if j := &m.jobs[i]; j.Rows > 0 {
			size := taskOutputs(j.W, j.Rows)
			m.tasks += (j.W.Out + size - 1) / size
		}
	}
}

// clear drops the references to the caller's memory.
func (m *matMulRound) clear() {
	clear(m.jobs)
	clear(m.int8.sources)
}

// task computes the t-th range of outputs of the round.
func (m *matMulRound) task(t int) {
	i := len(m.first) - 1
	for m.first[i] > t || m.jobs[i].Rows == 0 {
		i--
	}
	j := &m.jobs[i]
	size := taskOutputs(j.W, j.Rows)
	lo := (t - m.first[i]) * size
	hi := min(lo+size, j.W.Out)
	if s := m.int8.of[i]; s >= 0 {
		j.int8Steps(&m.int8.sources[s].int8Rows, lo, hi)
		return
	}
	j.compute(lo, hi)
}
