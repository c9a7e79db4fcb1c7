package expertnode

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// publishInterval between announcements while loading, so that a thousand experts
// are not a thousand messages to every router.
const publishInterval = 100 * time.Millisecond

// holding is the experts that serve, at one moment. It is immutable.
type holding struct {
	experts []*model.Expert // [layer*perLayer+index]; nil = not held
	set     wire.Bitmap
	bytes   int64 // of their weights
}

// holder brings the experts in memory in line with the assignment, apart from the
// serving path: computations read now, and only that.
type holder struct {
	ck    *checkpoint.Checkpoint
	cache *weightcache.Cache
	log   logr.Logger
	now   atomic.Pointer[holding]
	want  atomic.Pointer[assignment]
	wake  chan struct{}

	interrupt atomic.Pointer[context.CancelFunc] // of the last keep

	bytesRead atomic.Int64 // since the start

	changed func() // called after each change of now
	quiesce func() // returns when no computation uses an earlier now

	// Of run alone.
	loaded    []loadedExpert // like holding.experts, and what is not published yet
	published time.Time
}

type loadedExpert struct {
	expert  *model.Expert
	tensors []tensor.Tensor
	memory  []byte // of the 8-bit form; nil for weights as stored
	cached  bool   // the 8-bit form need not be written to the cache
}

// bytes is what the expert takes in memory.
func (l *loadedExpert) bytes() int64 {
	if l.memory != nil {
		return int64(len(l.memory))
	}
	return size(l.tensors)
}

// freeAll gives the experts' own memory back.
func (h *holder) freeAll(list []loadedExpert) {
	for i := range list {
		h.cache.Free(list[i].memory)
	}
}

func newHolder(ck *checkpoint.Checkpoint, cache *weightcache.Cache, log logr.Logger) *holder {
	cfg := ck.Config()
	h := &holder{ck: ck, cache: cache, log: log, wake: make(chan struct{}, 1), loaded: make([]loadedExpert, cfg.NumLayers*cfg.NumExperts)}
	h.now.Store(h.snapshot())
	h.want.Store(assign(nil, "", cfg.NumLayers, cfg.NumExperts))
	return h
}

// assign sets what to hold; run follows.
func (h *holder) assign(a *assignment) {
	h.want.Store(a)
	select {
	case h.wake <- struct{}{}:
	default:
	}
	if stop := h.interrupt.Load(); stop != nil {
		(*stop)() // what is to be loaded does not wait for what is written
	}
}

// run follows the assignment until ctx ends. An error is a weight that cannot be
// used; it names file and tensor.
func (h *holder) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		}
		if err := h.follow(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		h.keep(ctx)
	}
}

// follow drops what the assignment does not name, then loads what is missing. It
// looks at the assignment again after each step.
func (h *holder) follow(ctx context.Context) error {
	for start := time.Now(); ; {
		a := h.want.Load()
		h.drop(a)
		list, prio := h.next(a)
		if len(list) == 0 {
			h.publish()
			h.log.Info("experts held", "experts", h.now.Load().set.Count(), "bytes", h.now.Load().bytes,
				"fromCache", h.cache.Count(weightcache.Hit), "revision", a.revision, "seconds", time.Since(start).Seconds())
			return nil
		}
		if err := h.load(ctx, a, list, prio); err != nil {
			return err
		}
		h.publish()
	}
}

// next is what to load now: first what somebody waits for, then the rest.
func (h *holder) next(a *assignment) ([]expertID, priority) {
	missing := h.missing(a.order)
	if a.urgent || len(missing) == 0 {
		return missing, urgent
	}
	if serving := h.missing(a.epochs[0].experts); len(serving) > 0 {
		return serving, urgent
	}
	return missing, background
}

func (h *holder) at(x expertID) *loadedExpert {
	return &h.loaded[x.layer*h.ck.Config().NumExperts+x.index]
}

func (h *holder) missing(of []expertID) (list []expertID) {
	for _, x := range of {
		if h.at(x).expert == nil {
			list = append(list, x)
		}
	}
	return list
}

// drop lets go of experts that are not wanted: first nobody gets them any more,
// then nobody uses them, then their memory goes.
func (h *holder) drop(a *assignment) {
	var gone []loadedExpert
	perLayer := h.ck.Config().NumExperts
	for i := range h.loaded {
		if h.loaded[i].expert != nil && !a.want.Has(i/perLayer, i%perLayer) {
			gone = append(gone, h.loaded[i])
			h.loaded[i] = loadedExpert{}
		}
	}
	if gone == nil {
		return
	}
	h.publish()
	h.quiesce()
	for _, l := range gone {
		h.ck.Release(l.tensors...)
	}
	h.freeAll(gone)
}

// close frees all memory; nothing runs any more.
func (h *holder) close() {
	h.freeAll(h.loaded)
	h.loaded = nil
}

// publish makes what is loaded serve.
func (h *holder) publish() {
	h.now.Store(h.snapshot())
	h.published = time.Now()
	h.changed()
}

func (h *holder) snapshot() *holding {
	cfg := h.ck.Config()
	s := &holding{experts: make([]*model.Expert, len(h.loaded)), set: wire.NewBitmap(cfg.NumLayers, cfg.NumExperts)}
	for i := range h.loaded {
		if l := &h.loaded[i]; l.expert != nil {
			s.experts[i] = l.expert
			s.set.Set(i/cfg.NumExperts, i%cfg.NumExperts)
			s.bytes += l.bytes()
		}
	}
	return s
}

// size is the tensors' bytes.
func size(ts []tensor.Tensor) (n int64) {
	for _, t := range ts {
		n += int64(len(t.Data))
	}
	return n
}
