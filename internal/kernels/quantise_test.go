package kernels

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// eachActive runs f with every set that this CPU can run.
func eachActive(t *testing.T, f func(t *testing.T)) {
	set := active
	defer func() { active = set }()
	for _, active = range available() {
		t.Run(active.name, f)
	}
}

// made is the 8-bit form of BF16 weights by the portable kernels.
func made(w Weight) (data []byte, finite bool) {
	set := active
	defer func() { active = set }()
	active = &portable
	q, finite := Quantise(nil, w, make([]byte, Int8Bytes(w.Out, w.In)))
	return q.Data, finite
}

// All pairs of mantissas of BF16 weights and of their scale, in all places that
// matter: every quotient that a kernel has to round, with every tie among them.
func TestQuantiseEveryQuotient(t *testing.T) {
	const octaves = 9 // 127 and below it to a quarter, which is 0 like all that is smaller
	var wide []uint16
	for top := range 128 {
		bits := uint16(0x3f80 + top)
		for v := bits - octaves<<7; v < bits; {
			wide = append(wide, bits) // gives the group its scale
			for range int8Group - 1 {
				wide = append(wide, v|uint16(len(wide)&1)<<15)
				v = min(v+1, bits)
			}
		}
	}
	const in = groupsTogether * int8Group
	wide = append(wide, make([]uint16, -len(wide)&(in-1))...)
	for i := range wide { // a last row that is not full has no groups of zeros
		if wide[i] == 0 {
			wide[i] = 0x3f80
		}
	}
	w := Weight{Out: len(wide) / in, In: in, DType: tensor.BF16}
	for _, v := range wide {
		w.Data = binary.LittleEndian.AppendUint16(w.Data, v)
	}
	want, _ := made(w)
	eachSet(t, func(t *testing.T, s *kernelSet) {
		row, set := make([]byte, groupsTogether*rowGroup), active
		defer func() { active = set }()
		active = s
		for o := range w.Out {
			if n := s.quantiseBF16(row, w.row(o)); n != groupsTogether {
				t.Fatalf("row %d: the kernel takes %d groups, want all", o, n)
			}
		}
		if got, _ := Quantise(nil, w, make([]byte, len(want))); !bytes.Equal(got.Data, want) {
			t.Errorf("weights differ from those of the portable kernels")
		}
	})
}

// Scales of every size, and rows whose groups do not come in fours.
func TestQuantiseStoredEqualBits(t *testing.T) {
	eachActive(t, func(t *testing.T) {
		r := newRand(t)
		for trial := range 600 {
			out, in := 1+r.IntN(20), 1+r.IntN(600)
			if trial%2 == 0 {
				in = groupsTogether * int8Group * (1 + r.IntN(5))
			}
			x := values(r, out*in, sprinkle(trial)%kinds)
			for range trial % 3 { // a group of its own size
				at, scale := r.IntN(len(x)), float32(math.Exp2(float64(r.IntN(250)-125)))
				for i := at; i < min(at+2*int8Group, len(x)); i++ {
					x[i] *= scale
				}
			}
			w := Weight{Out: out, In: in, DType: tensor.BF16, Data: unaligned(r, stored(tensor.BF16, x))}
			want, finite := made(w)
			got, ok := Quantise(nil, w, unaligned(r, make([]byte, len(want))))
			what := fmt.Sprintf("trial %d: out=%d in=%d", trial, out, in)
			if ok != finite {
				t.Fatalf("%s: finite is %v, want %v", what, ok, finite)
			}
			if finite && !bytes.Equal(got.Data, want) {
				t.Fatalf("%s: weights differ from those of the portable kernels", what)
			}
		}
	})
}

// One weight that is not finite is found wherever it is, and nothing else is.
func TestQuantiseTellsOfNonFinite(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	eachActive(t, func(t *testing.T) {
		r := newRand(t)
		for trial := range 300 {
			d, out, in := dtypes[trial%len(dtypes)], 1+r.IntN(70), 1+r.IntN(400)
			x := normals(r, out*in)
			x[r.IntN(len(x))] = 65280 // large for any type
			bad := trial%4 != 0
			if bad {
				x[r.IntN(len(x))] = [...]float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}[r.IntN(3)]
			}
			w := Weight{Out: out, In: in, DType: d, Data: stored(d, x)}
			if _, finite := Quantise(p, w, make([]byte, Int8Bytes(out, in))); finite == bad {
				t.Fatalf("trial %d: %v [%d, %d]: finite is %v, want %v", trial, d, out, in, finite, !bad)
			}
		}
	})
}
