package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// traffic is steps of tokens, one after another, through the
// router's own dispatcher: each layer's rows to their experts, and the next layer
// when all answers are there. Attention is left out, so expert nodes are the
// bottleneck, as the pool of a large deployment is.
type traffic struct {
	router *dispatch.Dispatcher
	sizes  sizes
	rows   int           // tokens of a step
	pause  time.Duration // between steps
	rnd    *rand.Rand

	mu      sync.Mutex
	drawers []*drawer // of the text that is sent, by layer
	steps   []step    // since the last call of take
	failed  error     // the first error; there are no more steps after it
}

// sizes of the model.
type sizes struct{ layers, experts, hidden, perToken int }

type step struct {
	ended time.Time
	took  time.Duration
}

// send makes the next steps be of a text.
func (t *traffic) send(x text) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drawers = nil
	for l := range t.sizes.layers {
		seed := rand.NewPCG(t.rnd.Uint64(), 1)
		t.drawers = append(t.drawers, newDrawer(x.loads[l%len(x.loads)], t.sizes.perToken, rand.New(seed))) //nolint:gosec // a trial that can be repeated
	}
}

// run makes steps until ctx ends.
func (t *traffic) run(ctx context.Context) {
	x := make([]float32, t.rows*t.sizes.hidden)
	for i := range x {
		x[i] = rand.Float32() - 0.5 //nolint:gosec // a trial that can be repeated
	}
	ids, out := make([]int32, t.rows*t.sizes.perToken), make([]float32, t.rows*t.sizes.perToken*t.sizes.hidden)
	for ctx.Err() == nil {
		start := time.Now()
		err := t.step(ctx, x, ids, out)
		if ctx.Err() != nil {
			return
		}
		t.mu.Lock()
		now := time.Now()
		t.steps, t.failed = append(t.steps, step{now, now.Sub(start)}), err
		t.mu.Unlock()
		if err != nil || sleep(ctx, t.pause) != nil {
			return
		}
	}
}

func (t *traffic) step(ctx context.Context, x []float32, ids []int32, out []float32) error {
	t.mu.Lock()
	drawers := t.drawers
	t.mu.Unlock()
	for l, d := range drawers {
		for r := range t.rows {
			d.token(ids[r*t.sizes.perToken : (r+1)*t.sizes.perToken])
		}
		if err := t.router.Do(ctx, l, x, t.rows, ids, out); err != nil {
			return err
		}
	}
	return nil
}

// take returns the steps since the last call.
func (t *traffic) take() ([]step, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.steps
	t.steps = nil
	return s, t.failed
}

// watch returns the steps of the next d. The first one began before it; rate
// leaves its time out.
func (t *traffic) watch(ctx context.Context, d time.Duration) ([]step, error) {
	if _, err := t.take(); err != nil {
		return nil, err
	}
	if err := sleep(ctx, d); err != nil {
		return nil, err
	}
	return t.take()
}

// rate is the tokens per second of steps of so many rows, from the end of the
// first to the end of the last; 0 if there are fewer than two.
func rate(steps []step, rows int) float64 {
	if len(steps) < 2 {
		return 0
	}
	last := len(steps) - 1
	return float64(last*rows) / steps[last].ended.Sub(steps[0].ended).Seconds()
}
