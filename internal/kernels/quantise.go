package kernels

import (
	"encoding/binary"
	"math"
	"sync/atomic"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Quantise writes w in 8-bit form into data, Int8Bytes(w.Out, w.In) long, over
// the pool. It returns the matrix that views it and whether all weights are finite.
// w must not be in 8-bit form already.
func Quantise(p *Pool, w Weight, data []byte) (q Weight, finite bool) {
	if w.Int8 || len(data) != Int8Bytes(w.Out, w.In) {
		panic("kernels: Quantise: the weight is quantised already, or the memory is not of its size")
	}
	q = Weight{Out: w.Out, In: w.In, DType: w.DType, Int8: true, Data: data}
	step := max(taskBytes/w.rowBytes()/int8Block, 1) * int8Block
	var bad atomic.Bool
	p.Run((w.Out+step-1)/step, func(i int) {
		if !q.quantise(w, i*step, min((i+1)*step, w.Out)) {
			bad.Store(true)
		}
	})
	return q, !bad.Load()
}

// quantise fills the blocks of outputs [lo, hi) and tells whether their weights are
// finite.
func (w Weight) quantise(from Weight, lo, hi int) (finite bool) {
	wide, q := widenedRow.get(), int8Scratch.get()
	defer func() { widenedRow.put(wide); int8Scratch.put(q) }()
	*wide = atLeast(*wide, groupsTogether*int8Group)
	q.reset(int8Block, w.In)
	finite = true
	for ; lo < hi; lo += int8Block {
		for i := range int8Block {
			if lo+i >= hi {
				clear(q.row(i))
			} else if !quantiseStored(q.row(i), from.DType, from.row(lo+i), *wide) {
				finite = false
			}
		}
		active.interleave(w.block(lo), q)
	}
	return finite
}

// groupsTogether is how many groups are widened at a time.
const groupsTogether = 4

// quantiseStored writes weights as groups, of which some may lack the offset, and
// tells whether they are finite. wide is scratch for groupsTogether groups.
func quantiseStored(row []byte, t tensor.DType, w []byte, wide []float32) (finite bool) {
	finite = true
	for len(w) > 0 {
		if t == tensor.BF16 {
			n := active.quantiseBF16(row, w)
			row, w = row[n*rowGroup:], w[n*2*int8Group:]
		}
		n := min(len(w)/t.Size(), groupsTogether*int8Group)
		active.widen(wide[:n], t, w[:n*t.Size()])
		active.quantiseWeights(row, wide[:n])
		w = w[n*t.Size():]
		for range int8Groups(n) {
			finite = finite && math.Float32frombits(binary.LittleEndian.Uint32(row)) <= math.MaxFloat32
			row = row[rowGroup:]
		}
	}
	return finite
}

// interleavePortable writes 16 rows as a block of outputs. Scales are bf16 numbers,
// so that two bytes of each are all.
func interleavePortable(block []byte, q *int8Rows) {
	for o := range int8Block {
		for to, row := block, q.row(o); len(row) > 0; to, row = to[blockGroup:], row[rowGroup:] {
			to[2*o], to[2*o+1] = row[2], row[3]
			for i := range int8Group {
				to[blockScales+4*(i/4*int8Block+o)+i%4] = row[8+i] + int8Zero
			}
		}
	}
}

// quantiseWeightsPortable writes weights as groups: a scale is the largest
// magnitude over 127.
func quantiseWeightsPortable(row []byte, x []float32) { quantiseGroups(row, x, largest) }

// quantiseRowPortable writes a row of x as groups: a scale is the largest
// magnitude, of an element or of the sum of two neighbours, over 127. So the
// integers of neighbours have at most 128 together, each rounded up by a half, and
// their products with any two weights are in 16 bits: 255 * 128 < 2^15
// (docs/adr/0121).
func quantiseRowPortable(row []byte, x []float32) { quantiseGroups(row, x, largestOfPairs) }

// quantiseGroups: a group depends on its own elements alone, so a row is the same
// whatever is quantised beside it.
func quantiseGroups(row []byte, x []float32, top func([]float32) float32) {
	for len(x) > 0 {
		n := min(len(x), int8Group)
		quantiseGroup((*[rowGroup]byte)(row), x[:n], top(x[:n]))
		row, x = row[rowGroup:], x[n:]
	}
}

// largest is the largest magnitude. Magnitudes compare as integers, so that NaN is
// above infinity.
func largest(x []float32) float32 {
	top := uint32(0)
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	return math.Float32frombits(top)
}

// largestOfPairs is the largest magnitude of elements and of sums of neighbours.
func largestOfPairs(x []float32) float32 {
	var sums [int8Group / 2]float32
	for i := 0; i+1 < len(x); i += 2 {
		sums[i/2] = x[i] + x[i+1]
	}
	return largest([]float32{largest(x), largest(sums[:])})
}

// quantiseGroup writes x/scale rounded to the nearest integer, ties to even. The
// scale is top over 127, rounded up to a bf16 number, so that products of two
// scales are exact. NaN and infinity give zeros with a scale that is not finite:
// whatever they are multiplied with becomes NaN.
func quantiseGroup(group *[rowGroup]byte, x []float32, top float32) {
	clear(group[:])
	scale, sum := top/int8Most, int32(0)
	if scale > 0 && scale <= math.MaxFloat32 {
		scale = math.Float32frombits((math.Float32bits(scale) + 0xffff) &^ 0xffff)
		for i, v := range x {
			q := int8(max(-int8Most, min(int8Most, math.RoundToEven(float64(v/scale))))) // -127..127
			group[8+i] = byte(q)                                                         //nolint:gosec // its bits
			sum += int32(q)
		}
	}
	binary.LittleEndian.PutUint32(group[:], math.Float32bits(scale))
	binary.LittleEndian.PutUint32(group[4:], uint32(-int8Zero*sum)) //nolint:gosec // its bits
}
