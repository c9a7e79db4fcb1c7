package expertnode

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// result is what became of the i-th expert of a list.
type result struct {
	i      int
	loaded loadedExpert
	err    error
}

// load loads experts, on all cores or beside serving on a tenth of one, and
// announces them as they come. It ends early when the assignment is another one:
// what is under way is finished, so a new one is followed at once. Of several
// errors it returns that of the first expert.
func (h *holder) load(ctx context.Context, a *assignment, list []expertID, beside bool) error {
	var failed *result
	for r := range h.startLoaders(ctx, a, list, beside) {
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
func (h *holder) startLoaders(ctx context.Context, a *assignment, list []expertID, beside bool) <-chan result {
	loaders := min(checkpoint.Readers(), len(list))
	if beside {
		loaders = 1
	}
	results := make(chan result)
	var next atomic.Int64
	var stop atomic.Bool
	var working sync.WaitGroup
	for range loaders {
		working.Go(func() {
			for ctx.Err() == nil && !stop.Load() && h.want.Load() == a {
				i := int(next.Add(1) - 1)
				if i >= len(list) {
					return
				}
				l, err := h.loadOne(ctx, list[i], beside)
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
func (h *holder) loadOne(ctx context.Context, x expertID, beside bool) (l loadedExpert, err error) {
	if l.expert, l.tensors, err = model.OpenExpert(h.ck, x.layer, x.index); err != nil {
		return l, err
	}
	if h.ck.Weights() != checkpoint.Int8 {
		return l, h.read(ctx, &l, beside)
	}
	if err = h.readInt8(ctx, x, &l, beside); err != nil {
		h.cache.Free(l.memory)
	}
	return l, err
}
