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
// of which neighbours, the first and second, the third and fourth and so on, have
// a sum of -128..128 (docs/adr/0121).
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

// PackedBytes is the size of a row of x in 8-bit form.
func PackedBytes(in int) int { return int8Groups(in) * rowGroup }

// Pack writes a row of x in 8-bit form to dst, PackedBytes(len(x)) long. It is what a
// product with 8-bit weights makes of each row of its X.
func Pack(dst []byte, x []float32) { active.quantiseRow(dst[:PackedBytes(len(x))], x) }

// int8Rows are rows of x in 8-bit form.
type int8Rows struct {
	buf      []byte
	rows, in int
}

// int8Scratch has memory for rows, int8Views has views of packed ones.
var int8Scratch, int8Views = newScratch[int8Rows](), newScratch[int8Rows]()

// stride is the distance of rows in bytes.
func (q *int8Rows) stride() int { return PackedBytes(q.in) }

func (q *int8Rows) row(r int) []byte { return q.buf[r*q.stride():][:q.stride()] }

// reset makes room.
func (q *int8Rows) reset(rows, in int) {
	q.rows, q.in = rows, in
	if need := rows * q.stride(); len(q.buf) < need {
		q.buf = make([]byte, need)
	}
}

// int8Job is a Job with weights in 8-bit form whose rows of x are in that form too.
type int8Job struct {
	dst       []float32
	dstStride int
	x         *int8Rows
	w         Weight
}

// matMulInt8Portable is the specification of a product in 8-bit form: of each
// group, ascending, the exact sum of its products, times the product of both
// scales, is added by one fused multiply-add from +0.
func matMulInt8Portable(j int8Job, lo, hi int) {
	for o := lo; o < hi; {
		end := min(o-o%int8Block+int8Block, hi)
		for r := range j.x.rows {
			var acc [int8Block]float32
			addBlockInt8(&acc, j.w.block(o), j.x.row(r))
			copy(j.dst[r*j.dstStride+o:r*j.dstStride+end], acc[o%int8Block:])
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

// computeInt8 quantises the rows and multiplies them.
func (j *Job) computeInt8(lo, hi int) {
	if j.Packed != nil {
		j.computePacked(lo, hi)
		return
	}
	q := int8Scratch.get()
	defer int8Scratch.put(q)
	q.reset(j.Rows, j.W.In)
	for r := range j.Rows {
		active.quantiseRow(q.row(r), j.X[r*j.XStride:][:j.W.In])
	}
	j.int8Steps(q, lo, hi)
}

func (j *Job) computePacked(lo, hi int) {
	q := int8Views.get()
	*q = int8Rows{j.Packed, j.Rows, j.W.In}
	j.int8Steps(q, lo, hi)
	*q = int8Rows{}
	int8Views.put(q)
}

// int8Steps bounds the time in one piece of assembly, like compute; x are the rows.
func (j *Job) int8Steps(x *int8Rows, lo, hi int) {
	step := taskOutputs(j.W, x.rows)
	for ; lo < hi; lo += step {
		active.matMulInt8(int8Job{j.Dst, j.DstStride, x, j.W}, lo, min(lo+step, hi))
	}
}
