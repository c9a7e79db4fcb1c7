// Package router is the pod that runs everything but the experts: tokenizer,
// OpenAI API, batching, attention, gating, combine and sampling. Routers are
// replicas of each other; each reaches every expert node.
package router

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/conns"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
)

// Options make a router process.
type Options struct {
	CoreOptions
	Listen      string // HTTP API
	Control     string // gRPC Control
	Placement   string // file of the placement document
	ServedModel string // the model id that clients name; default: the directory's name
	APIKey      string
	MaxBody     int64

	DrainDelay, DrainTimeout time.Duration
	// Announce is called once both ports are open.
	Announce func(http, grpc string) error
}

// watchInterval is how often the model directory is looked at: a stat of a few
// files, against serving for long with a model that changed.
const watchInterval = 2 * time.Second

// maxControl connections to the control port: the operator has one, and one more after a call
// that failed; so has the operator before it.
const maxControl = 64

func controlServer() *grpc.Server {
	return grpc.NewServer(append(wire.ControlOptions(), conns.ServerOptions(maxControl)...)...)
}

// process is a running router.
type process struct {
	o        Options
	log      logr.Logger
	registry *prometheus.Registry
	api      openai.Options               // but for the model
	handler  atomic.Pointer[http.Handler] // of the API
	ready    readiness
	control  *grpc.Server    // of the operator's port
	gate     podctl.Gate     // what it answers
	watcher  *podctl.Watcher // of the placement
	model    *controlpb.Model
	fatal    chan error // of the first failure, which ends the process
	failing  sync.Once
}

// Run serves until ctx ends, then drains: it stops being ready, serves on for
// DrainDelay so that no client is still sent here, finishes what it has accepted
// and returns nil. It returns an error when it cannot serve (on), or when it had to end
// requests after DrainTimeout. Either way it tells clients first (docs/adr/0052).
func Run(ctx context.Context, o Options) error {
	p := &process{o: o, log: o.Log, registry: prometheus.NewRegistry(), fatal: make(chan error, 1),
		control: controlServer(), gate: podctl.Gate{Role: role, Name: o.podName()}}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	podctl.RegisterInfo(p.registry, role, p.log)
	p.api = p.apiOptions()
	p.serveAPI(p.api)
	web, control, err := p.listen()
	if err != nil {
		return err
	}
	server := openai.NewHTTPServer(o.Listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.handler.Load()).ServeHTTP(w, r) }), p.api.MaxRequests)
	server.ErrorLog = conns.ErrorLog(p.log.WithName("http"))
	defer func() { _ = server.Close() }()
	go p.serve(func() error { return server.Serve(web) })
	p.gate.Register(p.control)
	go p.serve(func() error { return p.control.Serve(control) })
	defer p.control.Stop()
	if err := o.Announce(web.Addr().String(), control.Addr().String()); err != nil {
		return err
	}
	core, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer core.Close()
	err = p.run(ctx, core, server)
	select {
	case fatal := <-p.fatal: // what ended the last requests may have been told only now
		return fatal
	default:
		return err
	}
}

func (p *process) listen() (web, control net.Listener, err error) {
	if web, err = podctl.Listen("--listen", p.o.Listen); err != nil {
		return nil, nil, err
	}
	if control, err = podctl.Listen("--control", p.o.Control); err != nil {
		_ = web.Close()
		return nil, nil, err
	}
	return web, control, nil
}

// serve runs a server and makes its failure the process's.
func (p *process) serve(run func() error) {
	if err := run(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
		p.fail(err)
	}
}

// fail ends the process with the first error it is given.
func (p *process) fail(err error) { p.failing.Do(func() { p.fatal <- err }) }

// open loads the model and puts the API in place.
func (p *process) open(ctx context.Context) (*Core, error) {
	start := time.Now()
	p.o.Fatal, p.o.Metrics = p.fail, p.registry
	core, err := Open(ctx, p.o.CoreOptions)
	if err != nil {
		return nil, err
	}
	api, err := p.modelOptions(core)
	if err == nil {
		p.model, err = podctl.DescribeModel(core.Checkpoint, p.servedModel())
	}
	if err != nil {
		core.Close()
		return nil, err
	}
	p.watcher = podctl.NewWatcher(p.o.Placement, podctl.Shape{
		Layers: core.Config().NumLayers, Experts: core.Config().NumExperts, Model: core.Checkpoint.Fingerprint(),
	}, p.log.WithName("placement"), core.Dispatcher.Apply)
	p.ready.check = func() error { return covered(core.Dispatcher.Status(), p.watcher) }
	if p.o.OneProcess {
		p.ready.check = func() error { return nil }
	}
	p.ready.grace = p.o.MaxWait * 3 / 4 // out of the Service before requests start to fail
	p.serveAPI(api)
	p.log.Info("model loaded", "dir", p.o.Model, "fingerprint", core.Checkpoint.Fingerprint(), "kernels", kernels.Name(), "seconds", time.Since(start).Seconds())
	return core, nil
}

// run serves until ctx ends or something fails, and drains.
func (p *process) run(ctx context.Context, core *Core, server *http.Server) error {
	// live outlives ctx by the drain; running is what uses the core, which is closed after all of it.
	live, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { core.Engine.Run(live) })
	defer func() { stop(nil); running.Wait() }()

	running.Go(func() { p.watcher.Run(live) })
	running.Go(func() { core.Checkpoint.Watch(live, watchInterval, p.modelChanged) })

	p.gate.Open(&podctl.Server{
		Watcher: p.watcher, Endpoints: core.Dispatcher.Endpoints, AwaitSilence: core.Dispatcher.AwaitSilence,
		Fill: func(r *describeResponse) { p.describe(r, core) },
	})
	defer p.control.Stop() // it asks the core

	select {
	case err := <-p.fatal:
		end(server, stop, err)
		return err
	case <-ctx.Done():
		return p.drain(core, server, stop)
	}
}

// modelChanged is told what happened to the model directory.
func (p *process) modelChanged(err error) {
	if errors.Is(err, checkpoint.ErrReplaced) {
		p.log.Error(err, "the model on disk is not the one being served; a restarted pod would refuse to join")
		return
	}
	p.fail(err)
}
