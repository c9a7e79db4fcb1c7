package model

import "sync/atomic"

// tileRows is how many queries read a page together: those of the kernel for
// several rows (kernels.AddProduct), which reads keys and values once for all six.
const tileRows = 6

// tile is rows of a step that are consecutive positions of one sequence.
type tile struct{ first, rows int }

// cut puts the step's rows into tiles: a decoding sequence is a tile of one row, a
// prefill chunk is full ones and a rest.
func (r *Runner) cut(rows []Row) {
	r.rows, r.tiles = rows, r.tiles[:0]
	for i, row := range rows {
		if n := len(r.tiles); n > 0 {
			last := &r.tiles[n-1]
			before := rows[i-1]
			if last.rows < tileRows && before.KV == row.KV && before.Pos+1 == row.Pos {
				last.rows++
				continue
			}
		}
		r.tiles = append(r.tiles, tile{i, 1})
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
	r.tasks.runRow = func(i int) { r.tasks.row(r, i) }
	r.tasks.runLane = r.laneLoop
}

// run does f for i < n.
func (r *Runner) run(n int, f func(*Runner, int)) {
	r.tasks.row = f
	r.pool.Run(n, r.tasks.runRow)
}

// lanes does f for n tasks with at most one task per lane at a time, so that a
// lane's scratch is its own.
func (r *Runner) lanes(n int, f func(r *Runner, lane, task int)) {
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
