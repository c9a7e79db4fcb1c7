//go:build !race

package model

import (
	"context"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// In steady state a step allocates nothing, whole or in halves.
func TestStepsDoNotAllocate(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 64)
	rows := conversation(3, newPages(r.Trunk, tensor.F32, 64<<20), 500, 8)[0]
	step := func() {
		if _, err := r.Step(context.Background(), rows, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		step()
		if got := testing.AllocsPerRun(100, step); got >= 1 {
			t.Errorf("split from %d rows: %v allocations a step", r.split, got)
		}
		apart(r)
	}
}
