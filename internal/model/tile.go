package model

import "sync/atomic"

// tileRows is how many queries read a page together: those of the kernel for
// several rows (kernels.AddProduct), which reads keys and values once for all six.
const tileRows = 6

// tile is rows of a part that are consecutive positions of one sequence.
type tile struct{ first, rows int }

// tile puts a part's rows into tiles: a decoding sequence is a tile of one row, a
// prefill chunk is full ones and a rest.
func (p *part) tile(rows []Row) {
	p.tiles = p.tiles[:0]
	for i := p.first; i < p.first+p.rows; i++ {
		if n := len(p.tiles); n > 0 {
			last := &p.tiles[n-1]
			before := rows[i-1]
			if last.rows < tileRows && before.KV == rows[i].KV && before.Pos+1 == rows[i].Pos {
				last.rows++
				continue
			}
		}
		p.tiles = append(p.tiles, tile{i, 1})
	}
}

// tasks hands work of a step to the pool without allocating: the pool's function
// is bound once, what it does is told by fields.
type tasks struct {
	row   func(*Runner, int)      // of run
	lane  func(*Runner, int, int) // of lanes
	total int64
	next  atomic.Int64

	runRow, runLane func(int)
}

func (r *Runner) bind() {
	r.tasks.runRow = func(i int) { r.tasks.row(r, r.now.first+i) }
	r.tasks.runLane = r.laneLoop
	for i := range r.parts {
		p := &r.parts[i]
		p.answered = make(chan struct{}, 1)
		p.ask = func() { r.askExperts(p) }
	}
}

// run does f for every row of a part.
func (r *Runner) run(p *part, f func(r *Runner, row int)) {
	r.now, r.tasks.row = p, f
	r.pool.Run(p.rows, r.tasks.runRow)
}

// lanes does f for n tasks of a part with at most one task per lane at a time, so
// that a lane's scratch is its own.
func (r *Runner) lanes(p *part, n int, f func(r *Runner, lane, task int)) {
	r.now = p
	r.tasks.lane, r.tasks.total = f, int64(n)
	r.tasks.next.Store(0)
	r.pool.Run(min(n, len(r.ws.scores)), r.tasks.runLane)
}

func (r *Runner) laneLoop(lane int) {
	t := &r.tasks
	for i := t.next.Add(1) - 1; i < t.total; i = t.next.Add(1) - 1 {
		t.lane(r, lane, int(i))
	}
}
