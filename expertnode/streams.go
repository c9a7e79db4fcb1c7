package expertnode

import (
	"context"
	"sync"
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

// add takes a stream; false if the node is shutting down.
func (r *streams) add(s *stream) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.open[s] = struct{}{}
	}
	return !r.closed
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
