// Package fleettest is a fleet that exists only in a test's memory.
package fleettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Fleet implements fleet.Fleet. Pods follow each document at once, unless they
// are told to lag.
type Fleet struct {
	mu    sync.Mutex
	pods  map[string]*Pod // by address
	calls int
	held  bool
}

// Pod is one pod's program.
type Pod struct {
	Router bool
	Model  *fleet.Model
	Lag    bool // take documents, but neither load nor switch
	Silent bool // answer nothing
	Frozen bool // nor refuse: take a question, and let it wait
	// Refuses is why it takes no document; empty: it takes them.
	Refuses string
	// Says is what is wrong or waited for, in its own words; a router with any is not ready.
	Says string
	// Waits are the nodes for which a router says that it waits.
	Waits []string
	Doc   *placement.Document
	// Endpoints are what a router was told.
	Endpoints map[string]string
	Load      *load.Node // what it answers when asked for its load; nil: it was idle
	ready     int64
	serving   int64
}

// New is an empty fleet.
func New() *Fleet { return &Fleet{pods: map[string]*Pod{}} }

// Start puts a program at an address.
func (f *Fleet) Start(address string, p Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pods[address] = &p
}

// Edit changes a running program.
func (f *Fleet) Edit(address string, edit func(*Pod)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pods[address]; p != nil {
		edit(p)
		f.settle()
	}
}

// Stop removes a program.
func (f *Fleet) Stop(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pods, address)
}

// Hold makes all programs take documents, but neither load nor switch, until it
// is called with false.
func (f *Fleet) Hold(held bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = held
	f.settle()
}

// Calls counts what the operator asked so far.
func (f *Fleet) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// reach counts a call and finds the program that answers it.
func (f *Fleet) reach(pod fleet.Pod) (*Pod, error) {
	f.calls++
	p := f.pods[pod.Address]
	if p == nil || p.Silent || p.Frozen {
		return nil, fmt.Errorf("pod %s at %s: connection refused", pod.Name, pod.Address)
	}
	return p, nil
}

// Describe implements fleet.Fleet.
func (f *Fleet) Describe(ctx context.Context, pod fleet.Pod) (*fleet.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thaw(ctx, pod)
	p, err := f.reach(pod)
	if err != nil {
		return nil, err
	}
	r := &fleet.Report{Model: p.Model, ReadyEpoch: p.ready, ServingEpoch: p.serving, Ready: p.ready > 0 && p.Says == "", Message: p.Says, Silent: p.Waits, Refused: p.Refuses}
	if p.Doc != nil {
		r.Revision = p.Doc.Revision
	}
	return r, nil
}

// thaw waits until a program is not frozen, or ctx ends.
func (f *Fleet) thaw(ctx context.Context, pod fleet.Pod) {
	f.await(ctx, func() bool { p := f.pods[pod.Address]; return p == nil || !p.Frozen })
}

// await waits for something, or for the end of ctx. The caller holds the lock, which
// is free meanwhile.
func (f *Fleet) await(ctx context.Context, done func() bool) {
	for !done() && ctx.Err() == nil {
		f.mu.Unlock()
		time.Sleep(time.Millisecond)
		f.mu.Lock()
	}
}

// Await implements fleet.Fleet.
func (f *Fleet) Await(ctx context.Context, pod fleet.Pod) (*fleet.Report, error) {
	limit, cancel := context.WithTimeout(ctx, fleet.AwaitTime)
	defer cancel()
	f.mu.Lock()
	f.await(limit, func() bool { p := f.pods[pod.Address]; return p == nil || p.Silent || len(p.Waits) > 0 })
	f.mu.Unlock()
	return f.Describe(ctx, pod)
}

// Apply implements fleet.Fleet.
func (f *Fleet) Apply(_ context.Context, pod fleet.Pod, document []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.reach(pod)
	if err != nil {
		return err
	}
	var d placement.Document
	if err := json.Unmarshal(document, &d); err != nil {
		return err
	}
	if err := d.Validate(); err != nil {
		return err
	}
	if p.Refuses != "" {
		return errors.New(p.Refuses)
	}
	if p.Doc == nil || d.Revision > p.Doc.Revision {
		p.Doc = &d
	}
	f.settle()
	return nil
}

// SendEndpoints implements fleet.Fleet.
func (f *Fleet) SendEndpoints(_ context.Context, pod fleet.Pod, endpoints map[string]string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.reach(pod)
	if err != nil {
		return err
	}
	p.Endpoints = endpoints
	return nil
}

// Endpoints are what the program at an address was last told.
func (f *Fleet) Endpoints(address string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pods[address]; p != nil {
		return p.Endpoints
	}
	return nil
}

// settle lets expert nodes load, then routers switch.
func (f *Fleet) settle() {
	if f.held {
		return
	}
	for _, p := range f.pods {
		if !p.Router && !p.Lag && p.Doc != nil {
			p.ready = newest(p.Doc)
		}
	}
	for _, p := range f.pods {
		if p.Router && !p.Lag && p.Doc != nil && f.loaded(newest(p.Doc)) {
			p.ready, p.serving = newest(p.Doc), newest(p.Doc)
		}
	}
}

// loaded says whether every expert node that follows documents has the epoch.
func (f *Fleet) loaded(epoch int64) bool {
	for _, p := range f.pods {
		if !p.Router && p.Doc != nil && p.ready < epoch {
			return false
		}
	}
	return true
}

func newest(d *placement.Document) int64 {
	var epoch int64
	for _, p := range d.Placements() {
		epoch = max(epoch, p.Epoch)
	}
	return epoch
}

// Has says whether a program runs at an address, silent or not.
func (f *Fleet) Has(address string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pods[address] != nil
}

// Lose makes the program at an address forget what it holds, and stay so until
// Lag is taken from it.
func (f *Fleet) Lose(address string) {
	f.Edit(address, func(p *Pod) { p.Lag, p.ready, p.serving = true, 0, 0 })
}
