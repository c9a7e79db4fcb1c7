package expertnode

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// maxStreams bounds the lanes of all routers together; each has two goroutines
	// and at most streamQueue requests.
	maxStreams = 1024
	// maxConnections to the gRPC port: one for each stream, if it comes to that, and room
	// for the operator and for those that are about to open a stream. Without a stream they
	// have buffers of some 170 MB at worst, 128 KiB each.
	maxConnections = maxStreams + 256
)

// streams are the open lanes of all routers.
type streams struct {
	mu     sync.Mutex
	open   map[*stream]struct{}
	closed bool          // takes no more
	empty  chan struct{} // closed when closed and none is open
}

func newStreams() *streams {
	return &streams{open: map[*stream]struct{}{}, empty: make(chan struct{})}
}

// add takes a stream, unless the node is shutting down or has too many.
func (r *streams) add(s *stream) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return status.Error(codes.Unavailable, "the expert node is shutting down")
	case len(r.open) >= maxStreams:
		return status.Errorf(codes.ResourceExhausted, "the expert node has %d streams, which is its limit", maxStreams)
	}
	r.open[s] = struct{}{}
	return nil
}

func (r *streams) remove(s *stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, s)
	if r.closed && len(r.open) == 0 {
		close(r.empty)
	}
}

// notify tells every router the node's state.
func (r *streams) notify() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.open {
		s.notify()
	}
}

// drain refuses new streams and waits until routers have closed theirs, each
// after its last answer. An error means that ctx ended before.
func (r *streams) drain(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	if len(r.open) == 0 {
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	r.notify()
	select {
	case <-r.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
