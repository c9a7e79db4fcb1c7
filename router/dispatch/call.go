package dispatch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// call is one Do. It is taken from a pool, so that a call in steady state
// allocates nothing of its own. Only the goroutine that runs Do touches it, but
// for box and wake.
type call struct {
	d     *Dispatcher
	layer int
	k     int       // experts per row
	x     []float32 // [rows, hidden]
	ids   []int32   // [rows, k]
	out   []float32 // [rows, k, hidden]

	epoch    *epoch   // in use; nil before the first launch
	todo     []int32  // pairs (row*k+j) to send, none of them answered; after a launch, those that nobody carries
	carriers []int8   // by pair: the requests in flight that carry it, or answered
	left     int      // pairs that are not answered
	assign   []*shard // by expert: where this launch puts it
	pairs    []int    // by expert: of this launch
	order    []int32  // experts of this launch, as they choose among owners
	building []*shard // requests of this launch
	inflight []*shard // requests without an answer
	free     []*shard
	avoid    []avoided
	bad      map[int32]*node // pairs that a node has called wrong, and which; nil, as nearly always: none
	now      time.Time       // of this launch
	since    time.Time       // of the last progress: the start, or an answer
	hedging  bool            // a request of this call was hedged
	waiting  bool            // registered for a new route
	blocked  time.Time       // since when todo could not be emptied; zero = it is empty
	timer    *time.Timer

	wake chan struct{} // holds a token when there may be something to do
	mu   sync.Mutex
	box  []*shard // delivered by lanes
	read []*shard // the box that is being read
}

// answered marks a pair in call.carriers that has its answer.
const answered = -1

// shard is one request of a call: the pairs that one node computes.
type shard struct {
	call    *call
	node    *node
	lane    *lane
	id      uint64
	slots   []int32 // the pairs, in the request's order
	rows    []int32 // the distinct rows
	counts  []uint16
	experts []uint16
	planned int // pairs, while it is built
	sent    time.Time
	check   time.Time // when it is late
	hedged  bool      // late, and sent to other owners too
	reply   *wire.In  // set when answered
	err     error     // set when its stream ended
}

func newCall(d *Dispatcher) *call {
	c := &call{d: d, wake: make(chan struct{}, 1), timer: time.NewTimer(time.Hour), assign: make([]*shard, d.opts.Experts), pairs: make([]int, d.opts.Experts)}
	c.timer.Stop()
	return c
}

// Do computes experts of one layer. x is [rows, hidden]; ids [rows, k] names each
// row's experts; out [rows, k, hidden] receives each expert's unweighted output.
// x, ids and out must not change until Do returns, and are not touched after.
//
// Results do not depend on which nodes computed them (invariant 1). Do waits, at
// most Options.MaxWait, for experts without an owner (invariant 2); its error is
// then a *NotReadyError. It also returns ctx's error, at once, and ErrClosed.
func (d *Dispatcher) Do(ctx context.Context, layer int, x []float32, rows int, ids []int32, out []float32) error {
	if err := d.checkArguments(layer, x, rows, ids, out); err != nil || rows == 0 {
		return err
	}
	c := d.calls.Get().(*call)
	c.layer, c.k, c.x, c.ids, c.out = layer, len(ids)/rows, x, ids, out
	c.since = time.Now()
	c.everything()
	d.metrics.calls.Add(1)
	err := c.run(ctx)
	d.metrics.calls.Add(-1)
	c.reset()
	d.calls.Put(c)
	return err
}

func (d *Dispatcher) checkArguments(layer int, x []float32, rows int, ids []int32, out []float32) error {
	o := &d.opts
	if layer < 0 || layer >= o.Layers {
		return fmt.Errorf("dispatch: layer %d of %d", layer, o.Layers)
	}
	if len(x) != rows*o.Hidden || rows > 0 && len(ids)%rows != 0 || len(out) != len(ids)*o.Hidden {
		return fmt.Errorf("dispatch: %d rows of %d with %d elements, %d experts, room for %d outputs", rows, o.Hidden, len(x), len(ids), len(out))
	}
	for i, e := range ids {
		if e < 0 || int(e) >= o.Experts {
			return fmt.Errorf("dispatch: pair %d asks for expert %d of %d", i, e, o.Experts)
		}
	}
	return nil
}

// everything makes all pairs outstanding.
func (c *call) everything() {
	c.todo, c.carriers, c.left = c.todo[:0], c.carriers[:0], len(c.ids)
	for i := range c.ids {
		c.todo, c.carriers = append(c.todo, int32(i)), append(c.carriers, 0)
	}
}

// run sends, waits and collects until every pair has its answer.
func (c *call) run(ctx context.Context) error {
	for {
		c.launch()
		if c.left == 0 {
			return nil
		}
		due, err := c.await(ctx)
		if err == nil {
			err = c.collect()
		}
		if err == nil && due && c.left > 0 { // after the box is read: what is there is not late
			err = c.expire(time.Now())
		}
		if err != nil {
			return err
		}
	}
}

// await sleeps until something was delivered, the route changed or, which it reports,
// a deadline passed.
func (c *call) await(ctx context.Context) (due bool, err error) {
	c.timer.Reset(time.Until(c.deadline()))
	defer c.timer.Stop()
	select {
	case <-c.wake:
		return false, nil
	case <-c.timer.C:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	case <-c.d.ctx.Done():
		return false, ErrClosed
	}
}

// nudge lets await return; it never blocks.
func (c *call) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// deliver puts an answered or failed request into the call's box. The lane holds
// its lock, so after detach has failed the request is in the box.
func (c *call) deliver(s *shard) {
	c.mu.Lock()
	c.box = append(c.box, s)
	c.mu.Unlock()
	c.nudge()
}

// collect reads the box.
func (c *call) collect() error {
	c.mu.Lock()
	c.read, c.box = c.box, c.read[:0]
	c.mu.Unlock()
	for i, s := range c.read {
		if err := c.finish(s); err != nil {
			for _, rest := range c.read[i+1:] {
				c.recycle(rest)
			}
			return err
		}
	}
	return nil
}

// finish takes an answer's rows, or puts the request's pairs back.
func (c *call) finish(s *shard) error {
	defer c.recycle(s)
	if s.reply == nil {
		c.retry(s, s.err, retryPause)
		return nil
	}
	if s.reply.Type == wire.Error {
		return c.refused(s)
	}
	c.since = time.Now()
	c.note(s, s.reply.Timing())
	c.take(s)
	c.settle(c.since)
	return nil
}

// take copies an answer's rows. A pair that another request has answered before
// gets the same bits again.
func (c *call) take(s *shard) {
	h := c.d.opts.Hidden
	for _, slot := range s.slots {
		s.reply.Floats(c.out[int(slot)*h : int(slot+1)*h])
		if c.carriers[slot] != answered {
			c.carriers[slot] = answered
			c.left--
		}
	}
}

// note learns from an answer how long requests take.
func (c *call) note(s *shard, t wire.Timing) {
	took := c.since.Sub(s.sent)
	c.d.metrics.answered(took, t)
	c.d.pace.answered(len(s.slots), took)
	c.d.hedges.answered()
	switch {
	case !s.hedged:
		s.node.punctual(c.since)
	case c.answeredAll(s):
		c.wasLate(s, c.since)
	default:
		c.d.metrics.hedgeLost.Inc()
	}
	s.hedged = false
}

// recycle drops a request that is in no lane any more.
func (c *call) recycle(s *shard) {
	if s.reply != nil {
		s.reply.Recycle()
	}
	for i, f := range c.inflight {
		if f == s {
			last := len(c.inflight) - 1
			c.inflight[i], c.inflight[last] = c.inflight[last], nil
			c.inflight = c.inflight[:last]
			break
		}
	}
	s.node, s.lane, s.reply, s.err, s.hedged = nil, nil, nil, nil, false
	s.planned = 0
	s.slots, s.rows, s.counts, s.experts = s.slots[:0], s.rows[:0], s.counts[:0], s.experts[:0]
	c.free = append(c.free, s)
}

// reset leaves nothing behind: no request in a lane, no reference to the caller's memory.
func (c *call) reset() {
	c.abandon()
	c.todo, c.avoid = c.todo[:0], c.avoid[:0]
	c.noteBlocked()
	c.hedging, c.bad = false, nil
	select {
	case <-c.wake:
	default:
	}
	c.x, c.ids, c.out = nil, nil, nil
}

// abandon drops all outstanding requests, and the epoch: the call starts over.
func (c *call) abandon() {
	for _, s := range append(c.read[:0], c.inflight...) {
		if s.lane.detach(s) {
			c.recycle(s)
		}
	}
	c.mu.Lock()
	c.read, c.box = c.box, c.read[:0]
	c.mu.Unlock()
	for _, s := range c.read {
		c.recycle(s)
	}
	if c.epoch != nil {
		c.epoch.calls.Add(-1)
		c.epoch = nil
	}
}
