// Package fleet is how the operator talks to pods: it asks what they hold and
// hands over placements, many pods at once, each within a time limit.
package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// Limits of one round (invariant 8).
const (
	// Timeout of one call. A pod answers from memory; what takes longer is a pod
	// that is stopped or cut off, and the next round asks again.
	Timeout = time.Second
	// AwaitTime: calls that wait for something to happen are made anew so often.
	AwaitTime = 20 * time.Second
	// HungAfter: a process that lives answers a question from memory much sooner, also
	// on a machine that is busy; a garbage collector stops it for a millisecond or two.
	HungAfter = 400 * time.Millisecond
	// largest is the most pods of a round: the largest pool and its routers. They are
	// asked what they are at once, so that some that say nothing take no time from others.
	largest = 2 * 256
	// parallel calls of those that carry much: documents, and loads.
	parallel = 32
	// maxLoads is how much memory the loads of all pods take at most, in words of 8 bytes:
	// those of 483 nodes of OLMoE do. Each pod gets a like part of it.
	maxLoads = 2 << 20
)

// Pod is one to talk to.
type Pod struct {
	Name    string
	Address string // host:port of its Control service
}

// Model is what a pod found in its checkpoint.
type Model struct {
	Fingerprint, Name                string
	Layers, Experts, ExpertsPerToken int
	ContextLength                    int
	ExpertBytes, RouterBytes         int64
}

// Report is what a pod says about itself.
type Report struct {
	Model        *Model // nil until the checkpoint is open
	Revision     int64
	ReadyEpoch   int64
	ServingEpoch int64
	// Of a router: (layer, expert) pairs with a ready owner, and all.
	ExpertsReady, ExpertsWanted int
	Ready                       bool
	Draining                    bool
	Message                     string
	Refused                     string // why the last placement document was not taken; empty: it was
	// Silent are the expert nodes that a router waits for, and that may not live.
	Silent []string
}

// Fleet is the way to the pods.
type Fleet interface {
	// Describe asks one pod.
	Describe(ctx context.Context, pod Pod) (*Report, error)
	// Await asks a router to answer when an expert node that it needs has gone silent;
	// it answers after AwaitTime at the latest.
	Await(ctx context.Context, router Pod) (*Report, error)
	// Apply hands one pod a placement document (JSON).
	Apply(ctx context.Context, pod Pod, document []byte) error
	// SendEndpoints tells a router where expert nodes are now (host:port by name).
	SendEndpoints(ctx context.Context, pod Pod, endpoints map[string]string) error
	// Load asks one expert node what it did in about the last window; it is an
	// error if that takes more than so much memory (load.Words).
	Load(ctx context.Context, pod Pod, window time.Duration, words int) (*load.Node, error)
}

// Answer is a pod's report, or why there is none.
type Answer struct {
	Report *Report
	Err    error
	// Hung: the pod let HungAfter pass without a word. One that is gone refuses at once.
	Hung bool
}

// DescribeAll asks all pods and returns their answers by name.
func DescribeAll(ctx context.Context, f Fleet, pods []Pod) map[string]Answer {
	answers := make(map[string]Answer, len(pods))
	var mu sync.Mutex
	each(ctx, largest, pods, func(ctx context.Context, p Pod) {
		asked := time.Now()
		r, err := f.Describe(ctx, p)
		hung := err != nil && ctx.Err() != nil && time.Since(asked) >= HungAfter || errors.Is(err, context.DeadlineExceeded)
		mu.Lock()
		defer mu.Unlock()
		answers[p.Name] = Answer{Report: r, Err: err, Hung: hung}
	})
	return answers
}

// ApplyAll hands all pods a document and returns the errors by name. A pod that
// is not reached reads the mounted file.
func ApplyAll(ctx context.Context, f Fleet, pods []Pod, document []byte) map[string]error {
	failed := map[string]error{}
	var mu sync.Mutex
	each(ctx, parallel, pods, func(ctx context.Context, p Pod) {
		if err := f.Apply(ctx, p, document); err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed[p.Name] = err
		}
	})
	return failed
}

func each(ctx context.Context, atOnce int, pods []Pod, call func(context.Context, Pod)) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, p := range pods {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, Timeout)
			defer cancel()
			call(ctx, p)
			return nil
		})
	}
	_ = g.Wait()
}
