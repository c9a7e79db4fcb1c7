package dispatch

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// Dispatcher is safe for concurrent use. The zero value is not usable; see New.
type Dispatcher struct {
	opts              Options
	maxRows, maxPairs int             // of one request
	ctx               context.Context // ends with Close
	stop              context.CancelFunc
	route             atomic.Pointer[route] // nil before the first placement
	lastID            atomic.Uint64         // of requests, unique over all streams
	calls             sync.Pool             // of *call
	pace              pace
	hedges            hedges
	silence           bell // a node has gone silent
	metrics           *metrics

	mu      sync.Mutex
	doc     *placement.Document
	nodes   map[string]*node // by name
	epochs  []*epoch         // in use: the current one is the last
	ready   int64            // highest epoch that is fully covered
	waiters map[*call]struct{}
	running sync.WaitGroup // lanes
}

// New makes a dispatcher without nodes; Apply brings them.
func New(o Options) *Dispatcher {
	d := &Dispatcher{opts: o.withDefaults(), nodes: map[string]*node{}, waiters: map[*call]struct{}{}}
	d.maxPairs = wire.PairsPerFrame(o.Hidden)
	d.maxRows = wire.RowsPerFrame(o.Hidden, d.maxPairs)
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.calls.New = func() any { return newCall(d) }
	d.metrics = newMetrics(d)
	return d
}

// Close ends all streams; calls return ErrClosed.
func (d *Dispatcher) Close() {
	d.stop()
	d.mu.Lock()
	nodes := d.nodes
	d.nodes = map[string]*node{}
	d.mu.Unlock()
	d.running.Wait()
	for _, n := range nodes {
		n.close()
	}
}

// Apply makes doc, which must fit the model (podctl checks it), the state to
// reach: it connects to nodes that are new, lets go of nodes that are gone once
// their answers have come, and changes the epoch when that is safe.
func (d *Dispatcher) Apply(doc *placement.Document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return
	}
	d.doc = doc
	want := addresses(doc)
	for name, n := range d.nodes {
		if want[name] != n.address {
			delete(d.nodes, name)
			n.leave()
		}
	}
	for name, address := range want {
		if d.nodes[name] == nil {
			d.nodes[name] = d.connect(name, address)
		}
	}
	d.reroute()
}

// addresses of all nodes of a document; Target's win.
func addresses(doc *placement.Document) map[string]string {
	m := map[string]string{}
	for _, p := range doc.Placements() {
		for i := range p.Nodes {
			m[p.Nodes[i].Name] = p.Nodes[i].Address
		}
	}
	return m
}

// reroute rebuilds the route after any change of document or nodes and wakes
// the calls that wait for one. The caller holds d.mu.
func (d *Dispatcher) reroute() {
	if d.doc == nil {
		return
	}
	d.ready = 0
	if p := d.doc.Serving; p != nil && d.newRoute(&epoch{placement: p}, 0).complete {
		d.ready = p.Epoch
	}
	target := d.targetComplete()
	if target {
		d.ready = max(d.ready, d.doc.Target.Epoch)
	}
	p := d.doc.Choose(d.currentEpoch(), target)
	if e := d.currentEpoch(); e != p.Epoch || len(d.epochs) == 0 {
		d.opts.Log.Info("placement epoch", "from", e, "to", p.Epoch)
		d.epochs = append(d.retireEpochs(), &epoch{number: p.Epoch, placement: p})
	}
	current := d.epochs[len(d.epochs)-1]
	current.placement = p
	d.route.Store(d.newRoute(current, 0))
	for c := range d.waiters {
		c.nudge()
	}
}

// targetComplete says whether every expert of the target has an owner that is ready
// for it. That it holds the expert is not enough: a node that does not know of the
// target yet may be dropping what an older document no longer names.
func (d *Dispatcher) targetComplete() bool {
	p := d.doc.Target
	return p != nil && d.newRoute(&epoch{placement: p}, p.Epoch).complete
}

// currentEpoch is 0 before the first placement.
func (d *Dispatcher) currentEpoch() int64 {
	if len(d.epochs) == 0 {
		return 0
	}
	return d.epochs[len(d.epochs)-1].number
}

// retireEpochs drops old epochs that no call uses; the current one stays.
func (d *Dispatcher) retireEpochs() []*epoch {
	kept := d.epochs[:0]
	for i, e := range d.epochs {
		if i == len(d.epochs)-1 || e.calls.Load() > 0 {
			kept = append(kept, e)
		}
	}
	d.epochs = kept
	return kept
}

// enter takes the current epoch for a call and counts it. The second look makes
// sure that Status cannot have missed the call: an epoch is either current or counted.
func (d *Dispatcher) enter() *epoch {
	for {
		r := d.route.Load()
		if r == nil {
			return nil
		}
		r.epoch.calls.Add(1)
		if d.route.Load().epoch == r.epoch {
			return r.epoch
		}
		r.epoch.calls.Add(-1)
	}
}

// wait registers a call to be nudged at the next change of the route.
func (d *Dispatcher) wait(c *call) {
	d.mu.Lock()
	d.waiters[c] = struct{}{}
	d.mu.Unlock()
}

func (d *Dispatcher) unwait(c *call) {
	d.mu.Lock()
	delete(d.waiters, c)
	d.mu.Unlock()
}
