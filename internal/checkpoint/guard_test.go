package checkpoint_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// truncated opens a checkpoint and cuts its file behind the header.
func truncated(t *testing.T) (*checkpoint.Checkpoint, string) {
	t.Helper()
	o := mini()
	o.VocabSize = 4096 // 128 kB: several pages are cut off
	path := weights(write(t, o))
	c := open(t, strings.TrimSuffix(path, "/model.safetensors"))
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	return c, path
}

// A read behind the end of the file is a SIGBUS, which kills the process unless
// Guard catches it.
func TestGuardTurnsAFaultIntoAnError(t *testing.T) {
	c, path := truncated(t)
	w, err := c.Tensor(checkpoint.FinalNorm)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Guard(func() { t.Errorf("no fault; read %d", w.Data[0]) })
	wantError(t, err, checkpoint.ErrChanged, path)
}

// A worker pool hands its workers' panics on, wrapped in an error of its own.
func TestGuardSeesThroughAWrappedFault(t *testing.T) {
	c, path := truncated(t)
	w, err := c.Tensor(checkpoint.FinalNorm)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Guard(func() {
		defer func() {
			if fault, ok := recover().(error); ok {
				panic(fmt.Errorf("worker 3: %w", fault))
			}
		}()
		t.Errorf("no fault; read %d", w.Data[0])
	})
	wantError(t, err, checkpoint.ErrChanged, path)
}

func TestGuardLetsOtherPanicsThrough(t *testing.T) {
	c := open(t, write(t, mini()))
	for name, value := range map[string]any{"a value": "boom", "an error": errors.New("boom")} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := recover(); got != value {
					t.Errorf("recovered %v, want %v", got, value)
				}
			}()
			err := c.Guard(func() { panic(value) })
			t.Errorf("Guard returned %v", err)
		})
	}
	t.Run("nil pointer", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("swallowed")
			}
		}()
		var p *int
		_ = c.Guard(func() { *p = 1 })
	})
}

func TestGuardReturnsNilWhenNothingHappens(t *testing.T) {
	c, ran := open(t, write(t, mini())), false
	if err := c.Guard(func() { ran = true }); err != nil || !ran {
		t.Errorf("ran %v, error %v", ran, err)
	}
}

func TestLoadOfATruncatedFile(t *testing.T) {
	c, path := truncated(t)
	wantError(t, c.Load(t.Context(), all(t, c)...), checkpoint.ErrChanged, path, "tensor ", "truncated")
}

// The case that matters: assembly, on the goroutines of a worker pool.
func TestGuardAroundKernels(t *testing.T) {
	c, path := truncated(t)
	w, err := c.Tensor(checkpoint.EmbedTokens)
	if err != nil {
		t.Fatal(err)
	}
	weight, err := kernels.NewWeight(w)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(2)
	defer pool.Close()
	for _, rows := range []int{1, 16} {
		dst, x := make([]float32, rows*w.Shape[0]), make([]float32, rows*w.Shape[1])
		job := kernels.Job{Dst: dst, X: x, DstStride: w.Shape[0], XStride: w.Shape[1], Rows: rows, W: weight}
		err = c.Guard(func() { kernels.MatMulMany(pool, []kernels.Job{job}) })
		wantError(t, err, checkpoint.ErrChanged, path)
	}
}
