package router

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/sampling"
)

// CoreOptions make a Core.
type CoreOptions struct {
	Model   string              // checkpoint directory
	Weights checkpoint.Weights  // "" = as stored
	Cache   weightcache.Folders // of 8-bit weights kept between starts
	Name    string              // of this router, for the expert nodes' logs
	Workers int                 // threads for arithmetic; 0 = all CPUs
	engine.Limits
	PrefixCache bool
	KVType      string        // what the KV cache stores: model.ParseKV
	MaxWait     time.Duration // for experts that have no owner
	OneProcess  bool          // compute the experts here too, without expert nodes: what being split is compared with
	Fatal       func(error)   // called when the weights changed under us
	Log         logr.Logger
	Metrics     prometheus.Registerer
}

// Core is the router without its HTTP face: checkpoint, engine and the dispatcher
// that reaches the expert nodes.
type Core struct {
	Checkpoint *checkpoint.Checkpoint
	Dispatcher *dispatch.Dispatcher
	Engine     *engine.Engine
	pool       *kernels.Pool
}

// Open reads the router's own weights. Its errors name the file and tensor. Files may
// change meanwhile.
func Open(ctx context.Context, o CoreOptions) (*Core, error) {
	ck, err := checkpoint.OpenAs(o.Model, o.Weights)
	if err != nil {
		return nil, err
	}
	c := &Core{Checkpoint: ck}
	if fault := ck.Guard(func() { err = c.open(ctx, o) }); fault != nil {
		err = fault
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// open makes what stands on the checkpoint. When it fails, Close lets go of what there is.
func (c *Core) open(ctx context.Context, o CoreOptions) error {
	kvType, err := model.ParseKV(o.KVType, c.Checkpoint.Weights())
	if err != nil {
		return err
	}
	trunk, err := model.OpenTrunk(ctx, c.Checkpoint, model.OpenCache(c.Checkpoint, o.Log, o.Cache))
	if err != nil {
		return err
	}
	c.pool = kernels.NewPool(kernels.Threads(o.Workers))
	c.Dispatcher = c.newDispatcher(o)
	runner, err := c.runner(ctx, trunk, o)
	if err != nil {
		return err
	}
	c.Engine, err = engine.New(engine.Options{
		Limits:      o.Limits,
		PrefixCache: o.PrefixCache,
		KVType:      kvType,
		Runner:      runner,
		NewSampler:  newSampler(c.Config().VocabSize),
		Logprobs:    sampling.Logprobs,
		Guard:       c.Checkpoint.Guard,
		Fatal:       o.Fatal,
		Log:         o.Log.WithName("engine"),
		Metrics:     engine.NewMetrics(o.Metrics),
	})
	return err
}

func (c *Core) newDispatcher(o CoreOptions) *dispatch.Dispatcher {
	cfg := c.Config()
	rows, _ := wire.FormatsOf(c.Checkpoint.Weights())
	return dispatch.New(dispatch.Options{
		Name: o.Name, Model: c.Checkpoint.Fingerprint(),
		Layers: cfg.NumLayers, Experts: cfg.NumExperts, Hidden: cfg.HiddenSize, Rows: rows,
		MaxWait: o.MaxWait, Log: o.Log.WithName("dispatch"), Metrics: o.Metrics,
	})
}

// runner computes steps with the experts of the nodes, in halves where they are
// large, or with those of this process.
func (c *Core) runner(ctx context.Context, trunk *model.Trunk, o CoreOptions) (*model.Runner, error) {
	if !o.OneProcess {
		r := model.NewRunner(trunk, c.pool, c.Dispatcher, o.MaxRows)
		r.Overlap()
		return r, nil
	}
	local, err := model.OpenLocal(ctx, c.Checkpoint, c.pool)
	if err != nil {
		return nil, err
	}
	return model.NewRunner(trunk, c.pool, local, o.MaxRows), nil
}

// Config is the model's configuration.
func (c *Core) Config() *checkpoint.Config { return c.Checkpoint.Config() }

// Close lets go of everything that was opened; the engine must have stopped.
func (c *Core) Close() {
	if c.Dispatcher != nil {
		c.Dispatcher.Close()
	}
	c.pool.Close()
	_ = c.Checkpoint.Close()
}

func newSampler(vocab int) func(engine.Sampling, []int32) engine.Sampler {
	return func(p engine.Sampling, prompt []int32) engine.Sampler { return sampling.New(p, prompt, vocab) }
}
