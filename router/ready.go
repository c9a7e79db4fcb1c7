package router

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// readiness tells whether a request sent now would be answered. Experts that lose
// their last owner for a moment (a pod restarts) only make requests wait, so the
// router stays ready for as long as they may wait: taking it out of the Service
// would turn waiting into refused connections.
type readiness struct {
	check    func() error  // nil error: every expert has a ready owner
	grace    time.Duration // how long check may fail without being believed
	draining atomic.Bool

	mu    sync.Mutex
	since time.Time // last time check was fine
}

func (r *readiness) err() error {
	if r.draining.Load() {
		return errors.New("draining: this router is shutting down")
	}
	err := r.check()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.since = time.Now()
	} else if time.Since(r.since) < r.grace {
		err = nil
	}
	return err
}

// covered says which experts lack an owner, as an error, and whether it may be for a
// placement that was refused.
func covered(s dispatch.Status, w *podctl.Watcher) error {
	if s.Ready() {
		return nil
	}
	return errors.New(w.Explain(s.Problem))
}
