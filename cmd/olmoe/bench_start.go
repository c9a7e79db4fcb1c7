package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/olmoe-serving/olmoe-operator/internal/bench"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
)

// measureStarts starts a router and the expert nodes, again and again.
func (f *benchFlags) measureStarts(ctx context.Context, config *checkpoint.Config) ([]bench.Start, error) {
	ck, err := checkpoint.OpenAs(f.Model, checkpoint.Weights(f.Weights))
	if err != nil {
		return nil, err
	}
	defer func() { _ = ck.Close() }()
	folder := f.startFolder()
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // as the cache would be
		return nil, fmt.Errorf("%w: --weights-cache: %w", errFlags, err)
	}
	return bench.Starts(ctx, bench.StartOptions{
		Runs: f.starts, Checkpoint: ck, Model: f.Model, Folder: folder, Nodes: f.ExpertNodes,
		Threads: (f.ExpertNodes + 1) * checkpoint.Readers(),
		Serve: func(ctx context.Context, model, cache string, use func(context.Context, string) error) error {
			return f.serveOnce(ctx, config, model, cache, use)
		},
	})
}

// startFolder is on the disk that usually keeps weights.
func (f *benchFlags) startFolder() string {
	if f.Cache == "none" {
		return f.Model
	}
	return cmp.Or(f.Cache, f.Model)
}

// serveOnce runs a router and the expert nodes until use returns.
func (f *benchFlags) serveOnce(ctx context.Context, config *checkpoint.Config, model, cache string, use func(context.Context, string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := f.Options
	o.Model, o.Cache = model, cache
	pool, err := local.StartPool(ctx, config, o)
	if err != nil {
		return err
	}
	defer pool.Close()
	defer pool.Wait()
	defer cancel()
	url, err := startRouter(ctx, pool, "router", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return pool.While(ctx, func(ctx context.Context) error { return use(ctx, url) })
}
