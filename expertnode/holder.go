package expertnode

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

const (
	// loadTogether experts are read at a time: enough to keep a disk busy, few
	// enough that a new assignment is followed at once.
	loadTogether = 8
	// publishInterval between announcements while loading, so that a thousand
	// experts are not a thousand messages to every router.
	publishInterval = 100 * time.Millisecond
)

// holding is the experts that serve, at one moment. It is immutable.
type holding struct {
	experts []*model.Expert // [layer*perLayer+index]; nil = not held
	set     wire.Bitmap
	bytes   int64 // of their weights
}

// holder brings the experts in memory in line with the assignment, beside the
// serving path: computations read now, and only that.
type holder struct {
	ck   *checkpoint.Checkpoint
	log  logr.Logger
	now  atomic.Pointer[holding]
	want atomic.Pointer[assignment]
	wake chan struct{}
	read atomic.Int64 // bytes loaded since the start

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
}

// bytes is what the expert takes in memory.
func (l *loadedExpert) bytes() int64 {
	if l.memory != nil {
		return int64(len(l.memory))
	}
	return size(l.tensors)
}

// freeAll gives the experts' own memory back.
func freeAll(list []loadedExpert) {
	for i := range list {
		free(list[i].memory)
	}
}

func newHolder(ck *checkpoint.Checkpoint, log logr.Logger) *holder {
	cfg := ck.Config()
	h := &holder{ck: ck, log: log, wake: make(chan struct{}, 1), loaded: make([]loadedExpert, cfg.NumLayers*cfg.NumExperts)}
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
	}
}

// follow drops what the assignment does not name, then loads what is missing. It
// looks at the assignment again after each step.
func (h *holder) follow(ctx context.Context) error {
	for start := time.Now(); ; {
		a := h.want.Load()
		h.drop(a)
		missing := h.missing(a)
		if len(missing) == 0 {
			h.publish()
			h.log.Info("experts held", "experts", h.now.Load().set.Count(), "bytes", h.now.Load().bytes,
				"revision", a.revision, "seconds", time.Since(start).Seconds())
			return nil
		}
		together, beside := loadTogether, !a.urgent && a.ready(&h.now.Load().set)
		if beside { // it serves: nobody waits for more
			together = 1
		}
		if err := h.load(ctx, missing[:min(together, len(missing))], beside); err != nil {
			return err
		}
		if time.Since(h.published) > publishInterval {
			h.publish()
		}
	}
}

func (h *holder) at(x expertID) *loadedExpert {
	return &h.loaded[x.layer*h.ck.Config().NumExperts+x.index]
}

func (h *holder) missing(a *assignment) (list []expertID) {
	for _, x := range a.order {
		if h.at(x).expert == nil {
			list = append(list, x)
		}
	}
	return list
}

// load reads experts' weights, as fast as possible or beside serving.
func (h *holder) load(ctx context.Context, list []expertID, beside bool) error {
	var all []tensor.Tensor
	opened := make([]loadedExpert, len(list))
	for i, x := range list {
		e, ts, err := model.OpenExpert(h.ck, x.layer, x.index)
		if err != nil {
			return err
		}
		opened[i] = loadedExpert{expert: e, tensors: ts}
		all = append(all, ts...)
	}
	read := h.ck.Load
	if beside {
		read = h.ck.LoadBeside
	}
	if err := read(ctx, all...); err != nil {
		return err
	}
	if err := h.quantise(ctx, opened, beside); err != nil {
		freeAll(opened)
		return err
	}
	for i, x := range list {
		*h.at(x) = opened[i]
	}
	h.read.Add(size(all))
	return nil
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
	freeAll(gone)
}

// close frees all memory; nothing runs any more.
func (h *holder) close() {
	freeAll(h.loaded)
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
