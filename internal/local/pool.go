package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// Options say what to run.
type Options struct {
	Model       string
	Weights     string
	Cache       string // flag --weights-cache
	ExpertNodes int    // 1 to the number of experts
	Replicas    int    // of each expert, 1 to ExpertNodes
	Workers     int    // threads of each expert node; 0 = all
	LogLevel    string
	Stderr      io.Writer
}

// Pool is a set of expert-node processes and the placement file they read.
type Pool struct {
	opts      Options
	dir       string
	failed    chan error
	alive     sync.WaitGroup
	kept      []*process
	Placement string // path of the placement document
	Document  *placement.Document
	Nodes     []Announcement // where the expert nodes listen
}

// StartPool starts the expert nodes, places all experts and returns at once:
// nodes load while the caller opens its own part. They stop when ctx ends.
func StartPool(ctx context.Context, cfg *checkpoint.Config, o Options) (*Pool, error) {
	dir, err := os.MkdirTemp("", "olmoe-")
	if err != nil {
		return nil, err
	}
	pools.Add(1)
	p := &Pool{opts: o, dir: dir, Placement: filepath.Join(dir, "placement.json"), failed: make(chan error, o.ExpertNodes+1)}
	nodes, err := p.startNodes(ctx)
	if err == nil {
		err = p.place(cfg, nodes)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Failed yields the error of a process that cannot be kept alive.
func (p *Pool) Failed() <-chan error { return p.failed }

// While works for as long as the processes can be kept alive. The error of one that cannot
// is returned, not what that did to the work.
func (p *Pool) While(ctx context.Context, work func(context.Context) error) error {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-p.failed:
			cancel(err)
		case <-own.Done():
		}
	}()
	err := work(own)
	if err != nil && own.Err() != nil && ctx.Err() == nil {
		return context.Cause(own)
	}
	return err
}

// Close removes the pool's files; the processes end with StartPool's context.
func (p *Pool) Close() {
	_ = os.RemoveAll(p.dir)
	pools.Done()
}

func (p *Pool) startNodes(ctx context.Context) ([]placement.Node, error) {
	var procs []*process
	for i := range p.opts.ExpertNodes {
		procs = append(procs, p.Keep(ctx, p.nodeArgs(nodeName(i), "127.0.0.1:0", "127.0.0.1:0"),
			func(a Announcement) []string { return p.nodeArgs(nodeName(i), a.GRPC, a.HTTP) }))
	}
	var nodes []placement.Node
	for i, pr := range procs {
		a, err := p.Await(ctx, pr)
		if err != nil {
			return nil, err
		}
		p.Nodes = append(p.Nodes, a)
		nodes = append(nodes, placement.Node{Name: nodeName(i), Address: a.GRPC})
	}
	return nodes, nil
}

func nodeName(i int) string { return "expert-node-" + strconv.Itoa(i) }

func (p *Pool) nodeArgs(name, grpc, web string) []string {
	return append([]string{"expert-node", "--name", name, "--listen", grpc, "--http", web}, p.CommonArgs()...)
}

// CommonArgs are the flags that every pod's process gets.
func (p *Pool) CommonArgs() []string {
	return []string{"--model", p.opts.Model, "--weights", p.opts.Weights, "--weights-cache", p.opts.Cache, "--placement", p.Placement,
		"--workers", strconv.Itoa(p.opts.Workers), "--log-level", p.opts.LogLevel, "--drain-timeout", "5s"}
}

// Keep starts a process of this program and keeps it alive until ctx ends.
func (p *Pool) Keep(ctx context.Context, args []string, again func(Announcement) []string) *process {
	pr := newProcess(args, again, p.opts.Stderr)
	p.kept = append(p.kept, pr)
	p.alive.Go(func() {
		if err := pr.keep(ctx); err != nil {
			select {
			case p.failed <- err:
			case <-ctx.Done(): // nobody asks any more
			}
		}
	})
	return pr
}

// Await waits until a process has announced itself.
func (p *Pool) Await(ctx context.Context, pr *process) (Announcement, error) {
	select {
	case a := <-pr.announce:
		return a, nil
	case err := <-p.failed:
		return Announcement{}, err
	case <-time.After(startTimeout):
		return Announcement{}, fmt.Errorf("the %s process does not listen after %s", pr.name(), startTimeout)
	case <-ctx.Done():
		return Announcement{}, ctx.Err()
	}
}

// Wait returns when every process has ended, after StartPool's context has.
func (p *Pool) Wait() { p.alive.Wait() }

// place spreads the experts evenly and publishes the document atomically.
func (p *Pool) place(cfg *checkpoint.Config, nodes []placement.Node) error {
	plan, err := planner.Plan(planner.Request{
		Layers: cfg.NumLayers, Experts: cfg.NumExperts, Nodes: nodes, Replicas: p.opts.Replicas, Epoch: 1,
	})
	if err != nil {
		return err
	}
	p.Document = &placement.Document{Revision: 1, Serving: plan, Target: plan}
	b, err := json.Marshal(p.Document)
	if err != nil {
		return err
	}
	tmp := p.Placement + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, p.Placement)
}
