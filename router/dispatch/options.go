package dispatch

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// Options make a Dispatcher. Sizes are the model's and must be set.
type Options struct {
	Name                    string // of this router, for the nodes' logs
	Model                   string // checkpoint fingerprint; a node with another is refused
	Layers, Experts, Hidden int
	Rows                    wire.Format // of what is sent, see wire.FormatsOf
	// Lanes is the number of streams to each node, at least as many as there
	// are concurrent calls (micro-batches) that should not queue behind another.
	Lanes int
	// MaxWait bounds how long a call waits for an expert that has no ready owner.
	MaxWait time.Duration
	// RequestTimeout: after so long without an answer other owners are asked too,
	// if there are any; earlier, where it is known how long requests usually take.
	RequestTimeout time.Duration
	Log            logr.Logger
	Metrics        prometheus.Registerer // nil = none
}

const (
	defaultLanes = 2
	// defaultMaxWait is enough for a pod to be rescheduled and to load a few
	// GB of experts; a client would rather have an error than wait longer.
	defaultMaxWait = 120 * time.Second
	// defaultRequestTimeout is far above the time that a node takes for the largest
	// request, so that before any is measured it fires for nodes that hang and not
	// for nodes that are busy.
	defaultRequestTimeout = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Lanes < 1 {
		o.Lanes = defaultLanes
	}
	if o.MaxWait <= 0 {
		o.MaxWait = defaultMaxWait
	}
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = defaultRequestTimeout
	}
	return o
}

// Errors of Do; test with errors.Is.
var (
	// ErrNotReady: an expert had no ready owner for Options.MaxWait. The error
	// is a *NotReadyError.
	ErrNotReady = errors.New("experts without a ready owner")
	// ErrClosed: the Dispatcher was closed.
	ErrClosed = errors.New("dispatcher closed")
)

// NotReadyError says what a call waited for in vain.
type NotReadyError struct {
	Layer, Expert int
	Missing       int    // pairs of the call without an answer
	Owners        string // the nodes that should hold it, with what is wrong with each
	Waited        time.Duration
}

// Error implements error.
func (e *NotReadyError) Error() string {
	return fmt.Sprintf("no answer within %s for %d (row, expert) pairs, first layer %d expert %d; its owners: %s",
		e.Waited.Round(time.Millisecond), e.Missing, e.Layer, e.Expert, e.Owners)
}

// Is makes errors.Is(err, ErrNotReady) true.
func (e *NotReadyError) Is(target error) bool { return target == ErrNotReady }
