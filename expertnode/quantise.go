package expertnode

import (
	"context"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

const (
	// quantiseRest is how many times as long as a matrix took a node that serves
	// rests, so that loading takes a tenth of one core; but at most quantisePause.
	quantiseRest  = 9
	quantisePause = 50 * time.Millisecond
)

// quantise replaces what was just read by its 8-bit form, if the checkpoint was
// opened so, and gives back the memory of what was read. On all cores, or beside
// serving on a tenth of one.
func (h *holder) quantise(ctx context.Context, list []loadedExpert, beside bool) error {
	if h.ck.Weights() != checkpoint.Int8 {
		return nil
	}
	var pool *kernels.Pool // nil: this goroutine alone
	if !beside {
		pool = kernels.NewPool(kernels.Threads(0))
		defer pool.Close()
	}
	for i := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.quantiseOne(&list[i], pool, beside); err != nil {
			return err
		}
	}
	return nil
}

func (h *holder) quantiseOne(l *loadedExpert, pool *kernels.Pool, beside bool) (err error) {
	if l.memory, err = allocate(l.expert.Int8Bytes()); err != nil {
		return err
	}
	last := time.Now()
	rest := func() {
		if beside {
			time.Sleep(min(quantiseRest*time.Since(last), quantisePause))
			last = time.Now()
		}
	}
	if err := h.ck.Guard(func() { l.expert = l.expert.Quantise(pool, l.memory, rest) }); err != nil {
		return err
	}
	h.ck.Release(l.tensors...)
	return nil
}
