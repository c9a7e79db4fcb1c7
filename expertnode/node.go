package expertnode

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// node is the state of the process.
type node struct {
	opts     Options
	ck       *checkpoint.Checkpoint
	model    *controlpb.Model
	pool     *kernels.Pool
	runner   *model.ExpertRunner
	watcher  *podctl.Watcher
	holder   *holder
	queue    *queue
	batch    *batch
	streams  *streams
	registry *prometheus.Registry
	metrics  *metrics
	meter    *load.Meter

	instance uint64        // random, tells this process from the one before it
	sequence atomic.Uint64 // of what announcement says
	draining atomic.Bool
	broken   atomic.Pointer[error] // why nothing can be computed any more
}

func newNode(o Options, ck *checkpoint.Checkpoint, instance uint64) (*node, error) {
	m, err := podctl.DescribeModel(ck, "")
	if err != nil {
		return nil, err
	}
	n := &node{opts: o, ck: ck, model: m, instance: instance, queue: newQueue(), streams: newStreams(),
		pool: kernels.NewPool(kernels.Threads(o.Workers)), registry: prometheus.NewRegistry()}
	cfg := ck.Config()
	n.runner = model.NewExpertRunner(cfg, n.pool)
	n.holder = newHolder(ck, model.OpenCache(ck, o.Log, o.Cache), o.Log)
	n.holder.changed = n.changed
	n.meter = load.NewMeter(cfg.NumLayers, cfg.NumExperts, time.Now())
	n.batch = newBatch(n)
	n.holder.quiesce = func() { n.batch.mu.Lock(); n.batch.mu.Unlock() } //nolint:staticcheck // waits for the batch under way
	n.metrics = newMetrics(n)
	shape := podctl.Shape{Layers: cfg.NumLayers, Experts: cfg.NumExperts, Model: ck.Fingerprint()}
	n.watcher = podctl.NewWatcher(o.Placement, shape, o.Log, func(d *placement.Document) {
		n.holder.assign(assign(d, o.Name, cfg.NumLayers, cfg.NumExperts))
	})
	return n, nil
}

// changed tells routers the node's new state.
func (n *node) changed() {
	n.sequence.Add(1)
	n.streams.notify()
}

// announcement is what routers need to know, now. The sequence is read first: a
// change after that makes a newer announcement.
func (n *node) announcement() *wire.Announce {
	sequence := n.sequence.Load()
	held := n.holder.now.Load()
	return &wire.Announce{
		Instance: n.instance, Sequence: sequence, Hidden: n.ck.Config().HiddenSize,
		Name: n.opts.Name, Fingerprint: n.ck.Fingerprint(), Draining: n.draining.Load(),
		Held: held.set, ReadyEpoch: n.holder.want.Load().readyEpoch(&held.set),
	}
}

// compute runs the experts. An error means that their weights can no longer be
// trusted; then the results must not be used.
func (n *node) compute(groups []model.ExpertGroup) error {
	err := n.ck.Guard(func() {
		defer unwrapPanic()
		n.runner.Run(groups)
	})
	if err != nil {
		n.fail(err)
	}
	return n.brokenBy()
}

// unwrapPanic gives Guard the fault itself instead of the worker pool's report of it.
func unwrapPanic() {
	v := recover()
	if v == nil {
		return
	}
	var p *kernels.PanicError
	if err, ok := v.(error); ok && errors.As(err, &p) {
		panic(p.Value)
	}
	panic(v)
}

// fail stops the node for good: what it would compute could be wrong.
func (n *node) fail(err error) { n.broken.CompareAndSwap(nil, &err) }

func (n *node) brokenBy() error {
	if p := n.broken.Load(); p != nil {
		return *p
	}
	return nil
}
