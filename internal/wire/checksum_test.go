package wire

import (
	"math/rand/v2"
	"testing"
)

// The checksum does not depend on where buffers begin and end, and costs no memory.
func TestChecksumOfAnyBuffers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test that can be repeated
	var c checksum
	for _, n := range []int{HeaderSize, sumBlock - 1, sumBlock, sumBlock + 1, 5*sumBlock + 7, 70_000} {
		frame := make([]byte, n)
		for i := range frame {
			frame[i] = byte(r.Uint32())
		}
		want := sumOf(frame)
		for range 50 {
			for rest := frame; len(rest) > 0; {
				k := 1 + r.IntN(min(len(rest), 3*sumBlock))
				c.add(rest[:k])
				rest = rest[k:]
			}
			if got := c.end(); got != want {
				t.Fatalf("%d bytes: %08x in pieces, %08x in one", n, got, want)
			}
		}
		if allocs := testing.AllocsPerRun(10, func() { sumOf(frame) }); allocs > 0 {
			t.Errorf("%d bytes: %g allocations", n, allocs)
		}
	}
	swapped := make([]byte, 2*sumBlock)
	swapped[0] = 1
	first := sumOf(swapped)
	swapped[0], swapped[sumBlock] = 0, 1
	if sumOf(swapped) == first {
		t.Error("blocks in another order have the same checksum")
	}
}
