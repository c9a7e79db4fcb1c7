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
	// rows is how rows come, outputs how they are sent back.
	rows, outputs wire.Format

	jobs   []*job
	own    map[string]int // by router: pairs of this batch
	cells  []cell         // [layer*perLayer+expert]
	used   []int          // indices of cells with rows, ascending
	groups []model.ExpertGroup
	work   load.Batch // groups and jobs, as they are counted
	x, out []float32  // [pairs, hidden], grouped by expert
	packed []byte     // x where rows come packed
}

// cell is what a batch has of an expert.
type cell struct {
	count  int32         // rows, then the next free place
	queued time.Duration // over these rows, how long each waited
}

func newBatch(n *node) *batch {
	cfg := n.ck.Config()
	b := &batch{n: n, perLayer: cfg.NumExperts, hidden: cfg.HiddenSize, own: map[string]int{}, cells: make([]cell, cfg.NumLayers*cfg.NumExperts)}
	b.rows, b.outputs = wire.FormatsOf(n.ck.Weights())
	return b
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
	o := wire.NewResponse(&j.in.Header, b.outputs, t)
	for pair, place := range j.places {
		o.PutOutput(pair, rowsOf(b.out, b.hidden, int(place), 1))
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
