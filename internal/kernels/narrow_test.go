package kernels

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

func TestNarrowRoundsToNearestEven(t *testing.T) {
	for _, c := range []struct {
		from uint32
		want uint16
	}{
		{0x3f800000, 0x3f80}, {0x3f807fff, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81},
		{0x3f818000, 0x3f82}, {0xbf818000, 0xbf82}, {0x7f7fffff, 0x7f80}, {0x80000000, 0x8000},
		{0x00008000, 0}, {0x00018000, 2}, {0x7f800000, 0x7f80}, {0xff800000, 0xff80},
		{0x7f800001, 0x7fc0}, {0xffffffff, 0xffff},
	} {
		var b [2]byte
		Narrow(b[:], tensor.BF16, 1, []float32{math.Float32frombits(c.from)})
		if got := binary.LittleEndian.Uint16(b[:]); got != c.want {
			t.Errorf("%08x becomes %04x, want %04x", c.from, got, c.want)
		}
	}
	for _, d := range kvTypes {
		x, wide := []float32{1, -2, 3}, make([]float32, 9)
		b := make([]byte, 9*d.Size())
		Narrow(b[2*d.Size():], d, 3, x)
		Widen(wide, d, b)
		sameBits(t, d.String(), wide, []float32{0, 0, 1, 0, 0, -2, 0, 0, 3})
	}
	if recovered(func() { Narrow(make([]byte, 2), tensor.F16, 1, []float32{1}) }) == nil {
		t.Error("Narrow accepted float16")
	}
}

// TestNarrowAlike: every set rounds each upper half with lower halves around a tie as the
// portable kernel does, to the payload of a NaN, at any length and place.
func TestNarrowAlike(t *testing.T) {
	var x []float32
	for high := range uint32(1 << 16) {
		for _, low := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
			x = append(x, math.Float32frombits(high<<16|low))
		}
	}
	want := make([]byte, 2*len(x))
	portable.narrow(want, x)
	eachSet(t, func(t *testing.T, s *kernelSet) {
		got := make([]byte, 2*len(x)+1)[1:]
		s.narrow(got, x)
		if !bytes.Equal(got, want) {
			t.Error("another rounding")
		}
		for n := range 50 {
			few := bytes.Repeat([]byte{7}, 2*n+2)
			s.narrow(few[1:1+2*n], x[n:2*n])
			if few[0] != 7 || few[2*n+1] != 7 || !bytes.Equal(few[1:1+2*n], want[2*n:4*n]) {
				t.Errorf("%d elements become %x", n, few)
			}
		}
	})
}
