package expertnode

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// priority says how experts are loaded.
type priority int

const (
	urgent     priority = iota // on all cores: somebody waits
	background                 // on a tenth of one core, while requests are served
)

// loaders is how many of n experts are loaded at a time.
func (p priority) loaders(n int) int {
	if p == background {
		return 1
	}
	return min(checkpoint.Readers(), n)
}

// result is what became of the i-th expert of a list.
type result struct {
	i      int
	loaded loadedExpert
	err    error
}

// load loads experts and announces them as they come. It ends early when the
// assignment is another one: what is under way is finished, so a new one is followed
// at once. Of several errors it returns that of the first expert.
func (h *holder) load(ctx context.Context, a *assignment, list []expertID, prio priority) error {
	var failed *result
	for r := range h.startLoaders(ctx, a, list, prio) {
		switch {
		case r.err == nil:
			*h.at(list[r.i]) = r.loaded
			if time.Since(h.published) > publishInterval {
				h.publish()
			}
		case failed == nil || r.i < failed.i:
			failed = &r
		}
	}
	if failed != nil {
		return failed.err
	}
	return ctx.Err()
}

// startLoaders loads experts in list's order until all are there, one fails, ctx
// ends or the assignment changes; then it closes the channel.
func (h *holder) startLoaders(ctx context.Context, a *assignment, list []expertID, prio priority) <-chan result {
	results := make(chan result)
	var next atomic.Int64
	var stop atomic.Bool
	var working sync.WaitGroup
	for range prio.loaders(len(list)) {
		working.Go(func() {
			for ctx.Err() == nil && !stop.Load() && h.want.Load() == a {
				i := int(next.Add(1) - 1)
				if i >= len(list) {
					return
				}
				l, err := h.loadOne(ctx, list[i], prio)
				if err != nil {
					stop.Store(true)
				}
				results <- result{i, l, err}
			}
		})
	}
	go func() { working.Wait(); close(results) }()
	return results
}

// loadOne brings an expert into memory, in the form in which it is computed.
func (h *holder) loadOne(ctx context.Context, x expertID, prio priority) (l loadedExpert, err error) {
	if l.expert, l.tensors, err = model.OpenExpert(h.ck, x.layer, x.index); err != nil {
		return l, err
	}
	if h.ck.Weights() != checkpoint.Int8 {
		return l, h.read(ctx, &l, prio)
	}
	if err = h.readInt8(ctx, x, &l, prio); err != nil {
		h.cache.Free(l.memory)
	}
	return l, err
}
