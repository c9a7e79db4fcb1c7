package expertnode

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// batch computes all requests that are waiting, whatever router or layer they
// are of: rows are grouped by expert, so that an expert's weights are read once.
// Each row's arithmetic is its own, so company changes no bit (invariant 1).
type batch struct {
	mu       sync.Mutex // held while the experts of a holding are in use
	n        *node
	perLayer int
	hidden   int

	jobs   []*job
	own    map[string]int // by router: pairs of this batch
	cells  []cell         // [layer*perLayer+expert]
	used   []int          // indices of cells with rows, ascending
	groups []model.ExpertGroup
	work   load.Batch // groups and jobs, as they are counted
	x, out []float32  // [pairs, hidden], grouped by expert
}

// cell is what a batch has of an expert.
type cell struct {
	count  int32         // rows, then the next free place
	queued time.Duration // over these rows, how long each waited
}

func newBatch(n *node) *batch {
	cfg := n.ck.Config()
	return &batch{n: n, perLayer: cfg.NumExperts, hidden: cfg.HiddenSize, own: map[string]int{}, cells: make([]cell, cfg.NumLayers*cfg.NumExperts)}
}

// step computes and answers what is waiting; false if nothing was.
func (b *batch) step() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jobs = b.n.queue.take(b.jobs[:0])
	if len(b.jobs) == 0 {
		return false
	}
	start := time.Now()
	held := b.n.holder.now.Load()
	b.admit(held)
	if len(b.jobs) > 0 {
		pairs := b.tally(start)
		b.plan(held, pairs)
		b.gather()
		err := b.n.compute(b.groups)
		took := time.Since(start)
		b.n.queue.credit(b.own, pairs, start, start.Add(took))
		b.answer(took, err)
	}
	return true
}

// admit drops requests whose stream is gone, answers those for experts that are
// not held, and keeps the others.
func (b *batch) admit(held *holding) {
	kept := b.jobs[:0]
	for _, j := range b.jobs {
		if j.stream.gone.Load() {
			j.recycle()
		} else if x, ok := b.allHeld(held, j); ok {
			kept = append(kept, j)
		} else {
			j.refuse(&wire.Failure{Code: wire.NotHeld,
				Message: fmt.Sprintf("layer %d expert %d is not loaded on %s", j.in.Layer, x, b.n.opts.Name)})
		}
	}
	clear(b.jobs[len(kept):])
	b.jobs = kept
}

func (b *batch) allHeld(held *holding, j *job) (missing uint16, ok bool) {
	experts := held.experts[j.in.Layer*b.perLayer:][:b.perLayer]
	for _, x := range j.experts {
		if experts[x] == nil {
			return x, false
		}
	}
	return 0, true
}

// tally counts the rows of each expert and how long they waited, and returns how
// many (row, expert) pairs there are.
func (b *batch) tally(start time.Time) (pairs int) {
	b.used, b.work.Requests = b.used[:0], b.work.Requests[:0]
	clear(b.own)
	for _, j := range b.jobs {
		pairs += len(j.experts)
		b.own[j.stream.router] += len(j.experts)
		j.waited = start.Sub(j.arrived)
		b.work.Requests = append(b.work.Requests, load.Request{Layer: j.in.Layer, Rows: j.in.Rows, Queue: j.queued()})
		for _, x := range j.experts {
			i := j.in.Layer*b.perLayer + int(x)
			c := &b.cells[i]
			if c.count == 0 {
				b.used = append(b.used, i)
			}
			c.count++
			c.queued += j.queued()
		}
	}
	slices.Sort(b.used)
	return pairs
}

// plan lays the groups out one after another.
func (b *batch) plan(held *holding, pairs int) {
	b.groups, b.work.Groups = b.groups[:0], b.work.Groups[:0]
	b.x, b.out = resize(b.x, pairs*b.hidden), resize(b.out, pairs*b.hidden)
	at := 0
	for _, i := range b.used {
		c := &b.cells[i]
		rows := int(c.count)
		from, to := at*b.hidden, (at+rows)*b.hidden
		b.groups = append(b.groups, model.ExpertGroup{Expert: held.experts[i], X: b.x[from:to], Out: b.out[from:to], Rows: rows})
		b.work.Groups = append(b.work.Groups, load.Group{Layer: i / b.perLayer, Expert: i % b.perLayer, Rows: rows, Queue: c.queued})
		c.count, c.queued = int32(at), 0
		at += rows
	}
}

// gather copies each row from its frame to every group that needs it.
func (b *batch) gather() {
	for _, j := range b.jobs {
		j.places = resize(j.places, len(j.experts))
		pair := 0
		for _, count := range j.counts {
			var row []float32
			for range count {
				c := &b.cells[j.in.Layer*b.perLayer+int(j.experts[pair])]
				dst := b.row(b.x, c.count)
				if row == nil {
					j.in.Floats(dst)
					row = dst
				} else {
					copy(dst, row)
				}
				j.places[pair] = c.count
				c.count++
				pair++
			}
		}
	}
	for _, i := range b.used {
		b.cells[i].count = 0
	}
}

func (b *batch) row(m []float32, i int32) []float32 {
	return m[int(i)*b.hidden : int(i+1)*b.hidden]
}

// answer counts the work and then sends each request's rows, in the order it listed
// them, so that a client that has its answer also finds the work in the metrics.
func (b *batch) answer(took time.Duration, err error) {
	if err == nil {
		b.work.Took = took
		b.n.meter.Add(&b.work)
		b.n.metrics.batches.Add(1)
	}
	for i, j := range b.jobs {
		if err != nil {
			j.refuse(&wire.Failure{Code: wire.Broken, Message: err.Error()})
		} else {
			b.respond(j, wire.Timing{Queued: j.waited, Compute: took})
		}
		b.jobs[i] = nil
	}
}

func (b *batch) respond(j *job, t wire.Timing) {
	o := wire.NewResponse(&j.in.Header, t)
	rows := o.Rows()
	for pair, place := range j.places {
		copy(b.row(rows, int32(pair)), b.row(b.out, place))
	}
	o.Seal()
	j.stream.reply(o, j.in.Pairs)
	j.recycle()
}

// refuse answers with an Error frame.
func (j *job) refuse(f *wire.Failure) {
	j.stream.fail(j.in.Call, j.in.Pairs, f)
	j.recycle()
}
