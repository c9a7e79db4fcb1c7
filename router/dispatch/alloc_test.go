//go:build !race

package dispatch

import (
	"context"
	"testing"
)

// Steady state: the call itself allocates nothing; what is left is gRPC's (a
// header, a window update, a reference per HTTP/2 frame).
func TestSteadyStateAllocations(t *testing.T) {
	n := startFake(t, small, "a", "127.0.0.1:0")
	n.compute = func(_ int, _ uint16, in, out []float32) { copy(out, in) }
	d := router(t, nil)
	d.Apply(place(small, 1, n))
	w := newTask(small, 0, 4, 0, 1, 2, 3)
	out := make([]float32, len(w.want))
	do := func() {
		if err := d.Do(context.Background(), 0, w.x, w.rows, w.ids, out); err != nil {
			t.Fatal(err)
		}
	}
	do()
	// Measured 24 for both ends of the connection: 8 are the fake node's own, one
	// on each side is the list of buffers that the codec hands to gRPC.
	const limit = 28
	if got := testing.AllocsPerRun(200, do); got > limit {
		t.Errorf("%v allocations a call, want at most %d", got, limit)
	}
}
