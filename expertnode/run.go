package expertnode

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/conns"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// Run serves until ctx ends, then drains and returns nil. An error is fatal to
// the process; it satisfies errors.Is with the kinds of package checkpoint when
// the model is the reason: not found, invalid, or changed while in use.
func Run(ctx context.Context, o Options) error {
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = defaultDrainTimeout
	}
	ck, err := checkpoint.OpenAs(o.Model, o.Weights)
	if err != nil {
		closeListeners(o)
		return err
	}
	defer func() { _ = ck.Close() }()
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	n, err := newNode(o, ck, binary.LittleEndian.Uint64(id[:]))
	if err != nil {
		closeListeners(o)
		return err
	}
	defer n.pool.Close()
	defer n.holder.close()
	return n.run(ctx)
}

func closeListeners(o Options) {
	_ = o.GRPC.Close()
	_ = o.HTTP.Close()
}

// run starts the parts, waits for the end of ctx or the failure of one of them,
// and stops them: routers first, then the rest.
func (n *node) run(ctx context.Context) error {
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx)) // outlives ctx by the drain
	var parts sync.WaitGroup
	grpcServer, httpServer := n.grpcServer(), n.httpServer()
	parts.Go(func() { fail(serveError("gRPC", grpcServer.Serve(n.opts.GRPC))) })
	parts.Go(func() { fail(serveError("HTTP", httpServer.Serve(n.opts.HTTP))) })
	parts.Go(func() { n.watcher.Run(work) })
	parts.Go(func() { n.ck.Watch(work, watchInterval, func(err error) { n.modelChanged(err, fail) }) })
	parts.Go(func() {
		if err := n.holder.run(work); err != nil {
			n.fail(err)
			fail(err)
		}
	})
	parts.Go(func() { n.computeLoop(work, fail) })
	parts.Go(func() { n.snapshots(work) })

	select {
	case <-ctx.Done():
		n.drain(work)
	case <-work.Done():
	}
	err := context.Cause(work)
	grpcServer.Stop()
	_ = httpServer.Close()
	fail(errStopped)
	parts.Wait()
	return err
}

var errStopped = errors.New("stopped")

func serveError(what string, err error) error { return fmt.Errorf("%s server: %w", what, err) }

func (n *node) grpcServer() *grpc.Server {
	s := grpc.NewServer(append(wire.ServerOptions(), conns.ServerOptions(maxConnections)...)...)
	wire.Register(s, n)
	(&podctl.Server{Watcher: n.watcher, Fill: n.describe, Window: n.window}).Register(s)
	return s
}

const (
	// httpTimeout bounds a probe's or scraper's slow request, and its slow reading.
	httpTimeout = 10 * time.Second
	// httpIdle bounds a kept connection between requests, above the usual minute between
	// two scrapes.
	httpIdle = 2 * time.Minute
	// httpConnections is many for probes and scrapers, and few of the process's files:
	// whoever reaches the port could else take them all.
	httpConnections = 256
	httpHeaderBytes = 16 << 10
)

func (n *node) httpServer() *http.Server {
	s := &http.Server{Handler: n.handler(), ReadTimeout: httpTimeout, WriteTimeout: httpTimeout, IdleTimeout: httpIdle,
		MaxHeaderBytes: httpHeaderBytes, ErrorLog: conns.ErrorLog(n.opts.Log.WithName("http"))}
	conns.Bound(s, httpConnections)
	return s
}

// computeLoop answers requests until work ends.
func (n *node) computeLoop(work context.Context, fail context.CancelCauseFunc) {
	for {
		select {
		case <-work.Done():
			return
		case <-n.queue.wake:
		}
		for n.batch.step() {
			if err := n.brokenBy(); err != nil {
				fail(err)
			}
		}
	}
}

// modelChanged handles what checkpoint.Watch reports. Weights modified in place
// end the process: every answer since could be wrong. A file that was replaced
// leaves the old one mapped, which goes on to be right.
func (n *node) modelChanged(err error, fail context.CancelCauseFunc) {
	if !errors.Is(err, checkpoint.ErrChanged) {
		n.opts.Log.Error(err, "the model directory has changed; serving what was loaded")
		return
	}
	n.fail(err)
	fail(err)
}

// drain lets routers finish and go elsewhere: they learn that the node is
// leaving, collect their answers and close their streams. No request is lost.
func (n *node) drain(work context.Context) {
	start := time.Now()
	n.opts.Log.Info("draining")
	n.draining.Store(true)
	n.sequence.Add(1)
	ctx, cancel := context.WithTimeout(work, n.opts.DrainTimeout)
	defer cancel()
	err := n.streams.drain(ctx)
	n.opts.Log.Info("drained", "seconds", time.Since(start).Seconds(), "complete", err == nil)
}
