package expertnode

import (
	"context"
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/mem"
	"github.com/olmoe-serving/olmoe-operator/internal/pace"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// read brings an expert's tensors into memory.
func (h *holder) read(ctx context.Context, l *loadedExpert, prio priority) error {
	load := h.ck.Load
	if prio == background {
		load = h.ck.LoadInBackground
	}
	return h.readBy(ctx, l, load)
}

// readBy counts what is read.
func (h *holder) readBy(ctx context.Context, l *loadedExpert, load func(context.Context, ...tensor.Tensor) error) error {
	if err := load(ctx, l.tensors...); err != nil {
		return err
	}
	h.bytesRead.Add(size(l.tensors))
	return nil
}

// readInt8 reads an expert's 8-bit form from the cache, or makes it of what is
// stored and gives back the memory of that.
func (h *holder) readInt8(ctx context.Context, x expertID, l *loadedExpert, prio priority) (err error) {
	load, name, n := h.ck.Read, checkpoint.ExpertName(x.layer, x.index), l.expert.Int8Bytes()
	var p *pace.Pace
	if prio == background {
		load, p = h.ck.ReadInBackground, pace.New(pace.LongRest)
	}
	if l.memory = h.cache.Load(ctx, name, n, p); l.memory != nil {
		h.bytesRead.Add(int64(n))
		l.cached, l.expert = true, l.expert.Int8View(l.memory)
		return nil
	}
	if l.memory, err = mem.Allocate(n); err != nil {
		return fmt.Errorf("%s: %w: give the pod more memory, or more expert nodes", name, err)
	}
	if err := h.readBy(ctx, l, load); err != nil {
		return err
	}
	return h.makeInt8(ctx, l, p)
}

// makeInt8 makes an expert's 8-bit form.
func (h *holder) makeInt8(ctx context.Context, l *loadedExpert, p *pace.Pace) error {
	rest := func() { _ = p.Rest(ctx) } // whoever waits for the expert sees that ctx ended
	finite := false
	if err := h.ck.Guard(func() { l.expert, finite = l.expert.Quantise(nil, l.memory, rest) }); err != nil {
		return err
	}
	if !finite {
		return h.ck.NotFinite(ctx, l.tensors...)
	}
	h.ck.Release(l.tensors...)
	return nil
}

// keep writes what was made of the weights for the next start, in the background,
// until there is something to load.
func (h *holder) keep(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.interrupt.Store(&cancel)
	if len(h.wake) > 0 {
		return
	}
	p := pace.New(pace.LongRest)
	for i := range h.loaded {
		if l := &h.loaded[i]; l.memory != nil && !l.cached {
			perLayer := h.ck.Config().NumExperts
			if h.ck.Unchanged() {
				h.cache.Store(ctx, checkpoint.ExpertName(i/perLayer, i%perLayer), l.memory, p)
			}
			if ctx.Err() != nil {
				return // it is tried again
			}
			l.cached = true // or cannot be
		}
	}
}
