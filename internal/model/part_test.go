package model

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// elsewhere is experts that answer two calls at a time, as expert nodes do, and
// sometimes late.
type elsewhere struct {
	mu     sync.Mutex // Local takes one call at a time
	local  Experts
	inside atomic.Int32 // calls that have not returned
	most   atomic.Int32
	calls  atomic.Int32
	before func(ctx context.Context, call int32) error
}

func (e *elsewhere) Do(ctx context.Context, layer int, x []float32, rows int, ids []int32, out []float32) error {
	now := e.inside.Add(1)
	defer e.inside.Add(-1)
	for most := e.most.Load(); now > most && !e.most.CompareAndSwap(most, now); most = e.most.Load() {
	}
	if err := e.before(ctx, e.calls.Add(1)); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.local.Do(ctx, layer, x, rows, ids, out)
}

// apart gives a runner such experts, and lets every step of two rows run as halves.
func apart(r *Runner) *elsewhere {
	e := &elsewhere{local: r.experts, before: func(context.Context, int32) error { return nil }}
	r.experts, r.split = e, 2
	return e
}

// seen is a tracer that keeps everything by row, in order.
type seen map[int][]string

func (s seen) note(row int, what string, x ...any) {
	s[row] = append(s[row], what+fmt.Sprint(x...))
}
func (s seen) Embedding(row int, x []float32) { s.note(row, "embedding", x) }
func (s seen) Gate(l, row int, ids []int32, w []float32, gap float32) {
	s.note(row, "gate", l, ids, w, gap)
}
func (s seen) Layer(l, row int, x []float32) { s.note(row, "layer", l, x) }
func (s seen) Final(row int, x []float32)    { s.note(row, "final", x) }

// conversation makes steps of several sequences: each takes some rows of the next
// positions, one or a chunk, so that halves are cut inside and between sequences.
func conversation(seed uint64, pages *Pages, vocab, steps int) [][]Row {
	rng := rand.New(rand.NewPCG(seed, 1))
	caches, at := make([]Cache, 4), make([]int, 4)
	var all [][]Row
	for range steps {
		var rows []Row
		for s := range caches {
			n := []int{0, 1, 1, 2, 7, 13}[rng.IntN(6)]
			for range n {
				if at[s]%PageTokens == 0 {
					caches[s].Pages = append(caches[s].Pages, pages.Get())
				}
				rows = append(rows, Row{Token: int32(rng.IntN(vocab)), Pos: at[s], KV: &caches[s]})
				at[s]++
			}
		}
		if len(rows) > 0 {
			all = append(all, rows)
		}
	}
	return all
}

// runAll does all steps in fresh caches and returns every hidden row and all that was traced.
func runAll(t *testing.T, r *Runner, seed uint64, kvType tensor.DType) (hidden []float32, traces []seen) {
	t.Helper()
	for _, rows := range conversation(seed, newPages(r.Trunk, kvType, 64<<20), r.Config().VocabSize, 8) {
		tr := seen{}
		h, err := r.Step(context.Background(), rows, tr)
		if err != nil {
			t.Fatal(err)
		}
		hidden, traces = append(hidden, h...), append(traces, tr)
	}
	return hidden, traces
}

// Invariant 1: halves give the bits of the whole, for every configuration and
// however the rows of sequences lie in a step.
func TestHalvesDoNotChangeBits(t *testing.T) {
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			r := open(t, write(t, change), 64)
			local := r.experts
			for seed := range uint64(6) {
				kvType := []tensor.DType{tensor.F32, tensor.BF16}[seed%2]
				r.experts, r.split = local, 0
				want, traced := runAll(t, r, seed, kvType)
				e := apart(r)
				e.before = func(_ context.Context, call int32) error {
					time.Sleep(time.Duration(call*7919%5) * 100 * time.Microsecond)
					return nil
				}
				got, again := runAll(t, r, seed, kvType)
				if !slices.Equal(want, got) {
					t.Fatalf("seed %d: halves give other bits", seed)
				}
				for i := range traced {
					for row := range traced[i] {
						if !slices.Equal(traced[i][row], again[i][row]) {
							t.Fatalf("seed %d: step %d row %d is traced otherwise", seed, i, row)
						}
					}
				}
			}
		})
	}
}

func TestHalvesGiveTheGoldenBits(t *testing.T) {
	root := goldentest.Path(t)
	for _, name := range []string{"tiny", "tiny-f32", "small"} {
		r := open(t, filepath.Join(root, "checkpoints", name), 256)
		ids := prompt(301, r.Config().VocabSize)
		want := logits(t, r, ids, 256)
		apart(r)
		for _, chunk := range []int{256, 97, 32, 2} {
			if !slices.Equal(want, logits(t, r, ids, chunk)) {
				t.Errorf("%s: halves of chunks of %d give other bits", name, chunk)
			}
		}
	}
}

// One half is at the experts while the other is computed here: the first call of
// all is answered only when there is a second one.
func TestHalvesAreInFlightTogether(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 64)
	e := apart(r)
	second := make(chan struct{})
	e.before = func(_ context.Context, call int32) error {
		switch call {
		case 1:
			select {
			case <-second:
			case <-time.After(10 * time.Second):
				return errors.New("nobody else came")
			}
		case 2:
			close(second)
		}
		return nil
	}
	logits(t, r, prompt(20, 500), 64)
	if e.calls.Load() != 4 || e.most.Load() != 2 {
		t.Errorf("%d calls, at most %d at a time; want 4 for two layers, 2", e.calls.Load(), e.most.Load())
	}
}

var errLost = errors.New("lost")

// Invariant 2: whichever call fails, the step yields nothing, no call outlives it,
// and a repetition gives the bits.
func TestFailedHalf(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 64)
	rows := conversation(3, newPages(r.Trunk, tensor.F32, 64<<20), 500, 8)[0]
	hidden, err := r.Step(context.Background(), rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(hidden)
	e := apart(r)
	for bad := int32(1); bad <= 4; bad++ {
		e.calls.Store(0)
		e.before = func(_ context.Context, call int32) error {
			if call == bad {
				return errLost
			}
			time.Sleep(5 * time.Millisecond) // the other half is still there
			return nil
		}
		got, err := r.Step(context.Background(), rows, nil)
		if n := e.inside.Load(); n != 0 || got != nil || !errors.Is(err, errLost) {
			t.Fatalf("call %d failed: %d calls are left, rows %v, error %v", bad, n, got, err)
		}
		e.before = func(context.Context, int32) error { return nil }
		if got, err = r.Step(context.Background(), rows, nil); err != nil || !slices.Equal(got, want) {
			t.Fatalf("after call %d failed the repetition gives other bits (error %v)", bad, err)
		}
	}
}

// Who gives up while both halves are out gets the context's error, and leaves
// neither a call nor a goroutine.
func TestCancelledHalves(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 64)
	e := apart(r)
	before := runtime.NumGoroutine()
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		e.before = func(ctx context.Context, _ int32) error {
			if e.inside.Load() == 2 {
				cancel()
			}
			<-ctx.Done()
			return ctx.Err()
		}
		rows := conversation(5, newPages(r.Trunk, tensor.F32, 64<<20), 500, 8)[1]
		if _, err := r.Step(ctx, rows, nil); !errors.Is(err, context.Canceled) || e.inside.Load() != 0 {
			t.Fatalf("error %v with %d calls left", err, e.inside.Load())
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// panics does so at the gate of a row in layer 1.
type panics struct {
	seen
	row int
}

func (p panics) Gate(l, row int, ids []int32, w []float32, gap float32) {
	if l == 1 && row == p.row {
		panic(errLost)
	}
}

// A panic here (a page of weights that cannot be read) waits for what is out.
func TestPanicBesideAHalf(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 64)
	e := apart(r)
	e.before = func(context.Context, int32) error { time.Sleep(10 * time.Millisecond); return nil }
	rows := conversation(3, newPages(r.Trunk, tensor.F32, 64<<20), 500, 8)[0]
	for _, row := range []int{0, len(rows) - 1} {
		func() {
			defer func() {
				if v, _ := recover().(error); !errors.Is(v, errLost) || e.inside.Load() != 0 {
					t.Errorf("row %d: panicked with %v, %d calls are left", row, v, e.inside.Load())
				}
			}()
			_, err := r.Step(context.Background(), rows, panics{seen{}, row})
			t.Errorf("row %d: no panic, error %v", row, err)
		}()
	}
}

// Experts in this process may panic too, in a step that is not cut.
func TestPanicOfExperts(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 64)
	e := apart(r)
	r.split = 0
	e.before = func(context.Context, int32) error { panic(errLost) }
	defer func() {
		if v, _ := recover().(error); !errors.Is(v, errLost) {
			t.Errorf("panicked with %v", v)
		}
	}()
	_, err := r.Step(context.Background(), conversation(3, newPages(r.Trunk, tensor.F32, 64<<20), 500, 8)[0], nil)
	t.Errorf("no panic, error %v", err)
}

// With 64 experts and 8 of them a row, 96 rows are 12 an expert.
func TestWhichStepsRunAsHalves(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 64)
	if r.Halves(1 << 20) {
		t.Error("halves without Overlap")
	}
	r.Overlap()
	if r.Halves(95) || !r.Halves(96) {
		t.Errorf("95 rows: %v, 96 rows: %v", r.Halves(95), r.Halves(96))
	}
	for _, n := range []int{1, 95, 96, 97} {
		rows := make([]Row, n)
		parts, next := r.cut(rows), 0
		for i := range parts {
			if parts[i].first != next || parts[i].rows == 0 {
				t.Errorf("%d rows: part %d is %d rows from %d", n, i, parts[i].rows, parts[i].first)
			}
			next += parts[i].rows
		}
		if next != n || len(parts) == 2 != (n >= 96) {
			t.Errorf("%d rows: %d parts of %d rows", n, len(parts), next)
		}
	}
}
