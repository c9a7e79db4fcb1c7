package bench

import (
	"math"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

// What a step must read and compute, from the sizes alone.
func TestCost(t *testing.T) {
	for _, tied := range []bool{false, true} {
		o := synth.Tiny()
		o.Tied, o.Tokenizer = tied, false
		dir := t.TempDir()
		if err := synth.Write(dir, o); err != nil {
			t.Fatal(err)
		}
		ck, err := checkpoint.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		c, err := costOf(ck)
		if err != nil {
			t.Fatal(err)
		}
		_ = ck.Close()
		h, i, l, v, e, k := 64., 32., 4., 512., 64., 8.
		trunk := l * (4*h*h + e*h)
		for name, pair := range map[string][2]float64{
			"trunk bytes":  {c.trunkBytes, 2 * trunk},
			"trunk flops":  {c.trunkFlops, 2 * trunk},
			"head bytes":   {c.headBytes, 2 * v * h},
			"head flops":   {c.headFlops, 2 * v * h},
			"expert bytes": {c.expertBytes, 2 * 3 * h * i},
			"expert flops": {c.expertFlops, 2 * l * k * 3 * h * i},
		} {
			if math.Abs(pair[0]-pair[1]) > 1e-6*pair[1] {
				t.Errorf("tied %v: %s %g, want %g", tied, name, pair[0], pair[1])
			}
		}
	}
}

// With 8-bit weights less is read; operations are the same, at the integer peak.
// The gate stays as stored.
func TestCostOfInt8(t *testing.T) {
	o := synth.Tiny()
	o.Tokenizer = false
	dir := t.TempDir()
	if err := synth.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	ck, err := checkpoint.OpenAs(dir, checkpoint.Int8)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ck.Close() }()
	c, err := costOf(ck)
	if err != nil {
		t.Fatal(err)
	}
	if c.expertBytes != 2*32*68+64*34 || c.headBytes != 512*68 || c.trunkBytes != 4*(4*64*68+2*64*64) || c.expertFlops != 2*4*8*3*64*32 {
		t.Errorf("cost %+v", c)
	}
	l := Limits{Read: 1e12, F32: 1, Int8: 1e6}
	if got := c.seconds(l, 0, 5e6); got != 5 {
		t.Errorf("computing takes %g s, want 5: at the peak of integers", got)
	}
}

func TestStepIsBoundByTheSlowerOfReadingAndComputing(t *testing.T) {
	c := cost{trunkBytes: 100, headBytes: 50, expertBytes: 10, trunkFlops: 1000, headFlops: 100, expertFlops: 500}
	l := Limits{Read: 10, F32: 1e9}
	if got := c.step(l, work{rows: 4, logitRows: 1, experts: 5}); got != 20 {
		t.Errorf("reading: %g s, want 20", got)
	}
	l = Limits{Read: 1e9, F32: 100}
	if got := c.step(l, work{rows: 4, logitRows: 1, experts: 5}); got != 61 {
		t.Errorf("computing: %g s, want 61", got)
	}
}
