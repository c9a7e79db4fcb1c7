package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// This file is the requests of a lane: sent, answered, taken back, failed.

// send queues a request; false if the lane takes none.
func (l *lane) send(s *shard, o wire.Out) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up || l.owed >= laneQueue {
		return false
	}
	select {
	case l.out <- o:
	default:
		return false
	}
	l.pending[s.id] = s
	l.node.inflight.Add(int64(len(s.slots)))
	l.owes(1)
	return true
}

// owes counts an answer that is owed, or has come. One that nobody asked for is none.
// The caller holds l.mu.
func (l *lane) owes(n int32) {
	l.owed = max(0, l.owed+n)
	if l.up {
		l.load.Store(l.owed)
	}
}

// detach takes back a request: its answer, which the node still owes, will be dropped. False if
// it was delivered before.
func (l *lane) detach(s *shard) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending[s.id] != s {
		return false
	}
	l.remove(s)
	return true
}

// answer hands a Response or Error to its call. One whose call has gone on
// without it (timeout, cancel) is dropped: results are the same whoever computes.
func (l *lane) answer(in *wire.In) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.node.lagging.Store(false)
	l.owes(-1)
	s := l.pending[in.Call]
	if s == nil {
		late := in.Type == wire.Response
		in.Recycle()
		if late {
			l.node.d.metrics.late.Inc()
		}
		return nil
	}
	if in.Type == wire.Response && !s.fits(in) {
		in.Recycle()
		return fmt.Errorf("response %d does not fit its request", s.id)
	}
	l.remove(s)
	s.reply = in
	s.call.deliver(s)
	return nil
}

// lags marks the node of a late request, so that the next calls need not wait for it. It
// returns false if the request is answered or failed already. Both under one lock: the
// frame, or the new stream, that clears the mark must not come before it.
func (l *lane) lags(s *shard) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending[s.id] != s {
		return false
	}
	l.node.lagging.Store(true)
	return true
}

// remove forgets a pending request. The caller holds l.mu.
func (l *lane) remove(s *shard) {
	delete(l.pending, s.id)
	l.node.inflight.Add(-int64(len(s.slots)))
	if l.closing && len(l.pending) == 0 {
		close(l.idle)
	}
}

// finish takes no more requests and half-closes when all are answered, so that
// the node knows that nothing more comes.
func (l *lane) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up {
		return
	}
	l.up, l.closing = false, true
	l.load.Store(notUp)
	if len(l.pending) == 0 {
		close(l.idle)
	}
}

// end fails what is pending: the stream is gone.
func (l *lane) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = false
	l.load.Store(notUp)
	for _, s := range l.pending {
		s.err = err
		l.remove(s)
		s.call.deliver(s)
	}
}

// awaitIdle waits until a finished lane has its answers.
func (l *lane) awaitIdle(ctx context.Context, timeout time.Duration) {
	l.mu.Lock()
	idle, closing := l.idle, l.closing
	l.mu.Unlock()
	if !closing {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	case <-time.After(timeout):
	}
}
