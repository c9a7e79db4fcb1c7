package kernels

import (
	"encoding/binary"
	"math"
)

// The 8-bit form: groups of 32 elements along a row, each an integer of
// -127..127 times the group's scale (docs/adr/0092). A row of x is its groups:
//
//	scale (float32), offset (int32): -128 times the sum of the values, 32 values
//
// Weights are blocks of 16 outputs, so that a vector register holds the same of
// neighbours (docs/adr/0112); all numbers are little-endian:
//
//	for each group 16 scales (bf16), then 8 times
//	four values of each output, as unsigned bytes plus 128
//
// A last group and a last block are filled up with zeros. Weights of 2048 inputs
// take 8.5 bits.
const (
	int8Group   = 32 // elements that share a scale
	int8Block   = 16 // outputs that stand together
	int8Most    = 127
	int8Zero    = 128           // what is added to weights
	rowGroup    = 8 + int8Group // bytes of a group of x
	blockScales = 2 * int8Block // bytes of a group's scales of a block of weights
	blockGroup  = blockScales + int8Block*int8Group
)

func int8Groups(in int) int { return (in + int8Group - 1) / int8Group }

// int8BlockBytes is the size of a block of outputs.
func int8BlockBytes(in int) int { return int8Groups(in) * blockGroup }

// Int8Bytes is the size of a matrix [out, in] in 8-bit form.
func Int8Bytes(out, in int) int { return (out + int8Block - 1) / int8Block * int8BlockBytes(in) }

// int8Rows are rows of x in 8-bit form.
type int8Rows struct {
	buf      []byte
	rows, in int
}

var int8Scratch = newScratch[int8Rows]()

// stride is the distance of rows in bytes.
func (q *int8Rows) stride() int { return int8Groups(q.in) * rowGroup }

func (q *int8Rows) row(r int) []byte { return q.buf[r*q.stride():][:q.stride()] }

// reset makes room.
func (q *int8Rows) reset(rows, in int) {
	q.rows, q.in = rows, in
	if need := rows * q.stride(); len(q.buf) < need {
		q.buf = make([]byte, need)
	}
}

// quantisePortable writes x as groups. A group depends on its own elements alone,
// so a row is the same whatever is quantised beside it.
func quantisePortable(row []byte, x []float32) {
	for len(x) > 0 {
		n := min(len(x), int8Group)
		quantiseGroup((*[rowGroup]byte)(row), x[:n])
		row, x = row[rowGroup:], x[n:]
	}
}

// quantiseGroup writes x/scale rounded to the nearest integer, ties to even. The
// scale is the largest magnitude over 127, rounded up to a bf16 number, so that
// products of two scales are exact. NaN and infinity give zeros with a scale that
// is not finite: whatever they are multiplied with becomes NaN.
func quantiseGroup(group *[rowGroup]byte, x []float32) {
	clear(group[:])
	top := uint32(0) // magnitudes compare as integers; NaN is above infinity
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	scale, sum := math.Float32frombits(top)/int8Most, int32(0)
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

// matMulInt8Portable is the specification of a product in 8-bit form: of each
// group, ascending, the exact sum of its products, times the product of both
// scales, is added by one fused multiply-add from +0.
func matMulInt8Portable(dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	for o := lo; o < hi; {
		end := min(o-o%int8Block+int8Block, hi)
		for r := range x.rows {
			var acc [int8Block]float32
			addBlockInt8(&acc, w.block(o), x.row(r))
			copy(dst[r*dstStride+o:r*dstStride+end], acc[o%int8Block:])
		}
		o = end
	}
}

// addBlockInt8 adds the products of a block of outputs with a row.
func addBlockInt8(acc *[int8Block]float32, w, x []byte) {
	for ; len(x) > 0; w, x = w[blockGroup:], x[rowGroup:] {
		var sum [int8Block]int32
		for i := 0; i < int8Group; i += 4 {
			addFour(&sum, (*[4 * int8Block]byte)(w[blockScales+int8Block*i:]), (*[4]byte)(x[8+i:]))
		}
		xScale := math.Float32frombits(binary.LittleEndian.Uint32(x))
		for o, s := range sum {
			scale := math.Float32frombits(uint32(binary.LittleEndian.Uint16(w[2*o:])) << 16)
			acc[o] = fma32(float32(s), float32(scale*xScale), acc[o])
		}
	}
}

// addFour adds the products of four inputs.
func addFour(sum *[int8Block]int32, w *[4 * int8Block]byte, x *[4]byte) {
	a, b, c, d := int32(int8(x[0])), int32(int8(x[1])), int32(int8(x[2])), int32(int8(x[3])) //nolint:gosec // their bits
	for o := range sum {
		v := w[4*o : 4*o+4 : 4*o+4]
		sum[o] += a*(int32(v[0])-int8Zero) + b*(int32(v[1])-int8Zero) + c*(int32(v[2])-int8Zero) + d*(int32(v[3])-int8Zero)
	}
}

// matMulInt8Range quantises the rows and multiplies them.
func matMulInt8Range(dst []float32, dstStride int, x []float32, xStride, rows int, w Weight, lo, hi int) {
	q := int8Scratch.get()
	defer int8Scratch.put(q)
	q.reset(rows, w.In)
	for r := range rows {
		active.quantise(q.row(r), x[r*xStride:][:w.In])
	}
	int8Steps(dst, dstStride, q, w, lo, hi)
}

// int8Steps bounds the time in one piece of assembly, like MatMulRange.
func int8Steps(dst []float32, dstStride int, q *int8Rows, w Weight, lo, hi int) {
	step := taskOutputs(w, q.rows)
	for ; lo < hi; lo += step {
		active.matMulInt8(dst, dstStride, q, w, lo, min(lo+step, hi))
	}
}
