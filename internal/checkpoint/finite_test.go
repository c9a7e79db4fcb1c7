package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

var dtypes = []tensor.DType{tensor.BF16, tensor.F16, tensor.F32}

// finite says by definition whether the bits of an element are a finite number.
func finite(d tensor.DType, bits uint32) bool {
	switch d {
	case tensor.BF16:
		return bits>>7&0xFF != 0xFF
	case tensor.F16:
		return bits>>10&0x1F != 0x1F
	}
	return bits>>23&0xFF != 0xFF
}

// store writes one element.
func store(d tensor.DType, data []byte, i int, bits uint32) {
	if d == tensor.F32 {
		binary.LittleEndian.PutUint32(data[4*i:], bits)
	} else {
		binary.LittleEndian.PutUint16(data[2*i:], uint16(bits))
	}
}

// Every bit pattern of the 16-bit types, and of float32's upper half, in every
// place of a word.
func TestEveryBitPattern(t *testing.T) {
	for _, d := range dtypes {
		for bits := range uint32(1 << 16) {
			full := bits
			if d == tensor.F32 {
				full = bits<<16 | 1
			}
			data := make([]byte, 8*d.Size())
			at := int(bits) % 8
			store(d, data, at, full)
			want := -1
			if !finite(d, full) {
				want = at
			}
			if got := firstNonFinite(d, data); got != want {
				t.Fatalf("%v bits %#x at %d: found %d, want %d", d, full, at, got, want)
			}
		}
	}
}

// Any length, any place, neighbours of the largest magnitude: the first
// offender is found, and only offenders are.
func TestFirstNonFinite(t *testing.T) {
	largest := map[tensor.DType]uint32{tensor.BF16: 0xFF7F, tensor.F16: 0xFBFF, tensor.F32: 0xFF7FFFFF}
	nan := map[tensor.DType]uint32{tensor.BF16: 0x7FC0, tensor.F16: 0xFE00, tensor.F32: 0x7F800001}
	for _, d := range dtypes {
		for range 300 {
			n := 1 + rand.IntN(5000)
			data := make([]byte, n*d.Size())
			for i := range n {
				store(d, data, i, largest[d])
			}
			if got := firstNonFinite(d, data); got != -1 {
				t.Fatalf("%v: %d of %d large finite numbers reported", d, got, n)
			}
			at := rand.IntN(n)
			store(d, data, at, nan[d])
			store(d, data, at+rand.IntN(n-at), nan[d])
			if got := firstNonFinite(d, data); got != at {
				t.Fatalf("%v: found %d of %d, want %d", d, got, n, at)
			}
		}
		if got := firstNonFinite(d, nil); got != -1 {
			t.Errorf("%v: %d in nothing", d, got)
		}
	}
}

func TestWidenForMessages(t *testing.T) {
	for _, c := range []struct {
		d    tensor.DType
		bits uint32
		want string
	}{
		{tensor.BF16, 0x7F80, "+Inf"},
		{tensor.BF16, 0xFFC0, "NaN"},
		{tensor.F16, 0xFC00, "-Inf"},
		{tensor.F16, 0x7C00, "+Inf"},
		{tensor.F16, 0x7C01, "NaN"},
		{tensor.F32, math.Float32bits(float32(math.Inf(-1))), "-Inf"},
		{tensor.F32, 0x7F800001, "NaN"},
	} {
		data := make([]byte, 3*c.d.Size())
		store(c.d, data, 2, c.bits)
		if got := fmt.Sprint(widen(c.d, data, 2)); got != c.want {
			t.Errorf("%v %#x is %s, want %s", c.d, c.bits, got, c.want)
		}
	}
}

// The scan must keep up with any disk, and nearly with memory. The buffer stays
// in the cache, so that this is the speed of the arithmetic.
func BenchmarkScan(b *testing.B) {
	for _, d := range dtypes {
		data := make([]byte, 256<<10)
		b.Run(d.String(), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if firstNonFinite(d, data) >= 0 {
					b.Fatal("found one")
				}
			}
		})
	}
}
