package kernels

import (
	"encoding/binary"
	"math"
)

// The 8-bit form: groups of 32 elements along a row, each an integer of
// -127..127 times the group's scale (docs/adr/0092). Eight groups are a chunk:
//
//	weights      8 scales in bf16, then 32 bytes for each group
//	rows of x    8 scales in float32, then 32 bytes for each group
//
// The last group of a row is padded with zeros; a last chunk of weights holds
// only the groups there are. A weight of 2048 inputs takes 8.5 bits.
const (
	int8Group  = 32 // elements that share a scale
	int8Chunk  = 8  // groups whose scales stand together
	int8Most   = 127
	rowChunk   = 4*int8Chunk + int8Chunk*int8Group // bytes of a chunk of x
	storeChunk = 2*int8Chunk + int8Chunk*int8Group // bytes of a chunk of weights
)

func int8Groups(in int) int { return (in + int8Group - 1) / int8Group }
func int8Chunks(in int) int { return (int8Groups(in) + int8Chunk - 1) / int8Chunk }

// int8RowBytes is the size of one output's weights.
func int8RowBytes(in int) int { return int8Groups(in)*int8Group + int8Chunks(in)*2*int8Chunk }

// Int8Bytes is the size of a matrix [out, in] in 8-bit form.
func Int8Bytes(out, in int) int { return out * int8RowBytes(in) }

// int8Rows are rows of x in 8-bit form.
type int8Rows struct {
	buf      []byte
	rows, in int
}

var int8Scratch = newScratch[int8Rows]()

// stride is the distance of rows in bytes.
func (q *int8Rows) stride() int { return int8Chunks(q.in) * rowChunk }

func (q *int8Rows) row(r int) []byte { return q.buf[r*q.stride():][:q.stride()] }

// reset makes room.
func (q *int8Rows) reset(rows, in int) {
	q.rows, q.in = rows, in
	if need := rows * q.stride(); len(q.buf) < need {
		q.buf = make([]byte, need)
	}
}

// scaleAndGroup are group g's places in a quantised row.
func scaleAndGroup(row []byte, g int) (scale, values []byte) {
	chunk := row[g/int8Chunk*rowChunk:][:rowChunk]
	i := g % int8Chunk
	return chunk[4*i:][:4], chunk[4*int8Chunk+i*int8Group:][:int8Group]
}

// quantisePortable writes x as a row of chunks. A group depends on its own
// elements alone, so a row is the same whatever is quantised beside it.
func quantisePortable(row []byte, x []float32) {
	for g := 0; len(x) > 0; g++ {
		n := min(len(x), int8Group)
		scale, values := scaleAndGroup(row, g)
		binary.LittleEndian.PutUint32(scale, math.Float32bits(quantiseGroup(values, x[:n])))
		x = x[n:]
	}
}

// quantiseGroup writes x/scale rounded to the nearest integer, ties to even, and
// returns the scale: the largest magnitude over 127, rounded up to a bf16 number,
// so that products of two scales are exact. NaN and infinity give zeros with a
// scale that is not finite: whatever they are multiplied with becomes NaN.
func quantiseGroup(q []byte, x []float32) float32 {
	clear(q)
	top := uint32(0) // magnitudes compare as integers; NaN is above infinity
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	scale := math.Float32frombits(top) / int8Most
	if !(scale > 0 && scale <= math.MaxFloat32) {
		return scale
	}
	scale = math.Float32frombits((math.Float32bits(scale) + 0xffff) &^ 0xffff)
	for i, v := range x {
		r := math.RoundToEven(float64(v / scale))
		q[i] = byte(int8(max(-int8Most, min(int8Most, r)))) //nolint:gosec // -127..127
	}
	return scale
}

// matMulInt8Portable is the specification of a product in 8-bit form: 8 lanes;
// lane j takes of each group, ascending, the exact sum of the products 4j..4j+3,
// times the product of both scales, by one fused multiply-add from +0. The lanes
// are added as the last 8 of any sum (reduceEight).
func matMulInt8Portable(dst []float32, dstStride int, x *int8Rows, w Weight, lo, hi int) {
	for o := lo; o < hi; o++ {
		for r := range x.rows {
			dst[r*dstStride+o] = dotInt8(w.row(o), x.row(r), int8Groups(w.In))
		}
	}
}

func dotInt8(w, x []byte, groups int) float32 {
	var acc [8]float32
	for g := range groups {
		xs, xv := scaleAndGroup(x, g)
		i, chunk := g%int8Chunk, w[g/int8Chunk*storeChunk:]
		ws, wv := chunk[2*i:], chunk[2*int8Chunk+i*int8Group:][:int8Group]
		scale := float32(math.Float32frombits(uint32(binary.LittleEndian.Uint16(ws))<<16) *
			math.Float32frombits(binary.LittleEndian.Uint32(xs)))
		for j := range acc {
			sum := int32(0)
			for k := 4 * j; k < 4*j+4; k++ {
				sum += int32(int8(wv[k])) * int32(int8(xv[k])) //nolint:gosec // bytes hold -127..127
			}
			acc[j] = fma32(float32(sum), scale, acc[j])
		}
	}
	return reduceEight(&acc)
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
