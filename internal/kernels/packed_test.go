package kernels

import (
	"math/rand/v2"
	"testing"
)

// packedJob is the job with its rows packed, in a place of its own.
func packedJob(r *rand.Rand, j Job) Job {
	size := PackedBytes(j.W.In)
	p := j
	p.X, p.XStride, p.Packed, p.Dst = nil, 0, unaligned(r, make([]byte, j.Rows*size)), make([]float32, len(j.Dst))
	for i := range j.Rows {
		Pack(p.Packed[i*size:], j.X[i*j.XStride:][:j.W.In])
	}
	return p
}

// Rows that are packed already give the bits of those that are not, in whatever company a
// round has: gate and up of the same rows, jobs of both kinds, jobs without rows.
func TestPackedRowsGiveTheSameBits(t *testing.T) {
	pool := NewPool(2)
	defer pool.Close()
	r := newRand(t)
	for range 60 {
		var plain, packed, mixed []Job
		for range 1 + r.IntN(5) {
			rows, out, in := shape(r, r.IntN(4))
			rows = rows * r.IntN(4) / 3
			x := values(r, rows*in, sprinkle(r.IntN(int(kinds))))
			for range 1 + r.IntN(2) {
				j := Job{Dst: make([]float32, rows*out), DstStride: out, X: x, XStride: in, Rows: rows, W: int8Weight(r, out, in, tame)}
				plain, packed = append(plain, j), append(packed, packedJob(r, j))
				if r.IntN(2) == 0 {
					j.Dst = make([]float32, rows*out)
					mixed = append(mixed, j)
				} else {
					mixed = append(mixed, packedJob(r, j))
				}
			}
		}
		MatMulMany(nil, plain)
		for what, jobs := range map[string][]Job{"packed": packed, "mixed": mixed} {
			for _, p := range []*Pool{nil, pool} {
				MatMulMany(p, jobs)
				for i := range jobs {
					sameBits(t, what, jobs[i].Dst, plain[i].Dst)
					clear(jobs[i].Dst)
				}
			}
		}
	}
}

// The kernels read as many packed bytes as there should be.
func TestPackedRowsAreChecked(t *testing.T) {
	r := newRand(t)
	w := int8Weight(r, 16, 64, tame)
	wide := randomWeight(r, w.DType, 16, 64)
	for name, j := range map[string]Job{
		"too few":           {Rows: 2, W: w, Packed: make([]byte, 2*PackedBytes(64)-1)},
		"of another size":   {Rows: 2, W: w, Packed: make([]byte, 2*PackedBytes(96))},
		"weights as stored": {Rows: 2, W: wide, Packed: make([]byte, 2*PackedBytes(64))},
	} {
		j.Dst, j.DstStride = make([]float32, 32), 16
		if recovered(func() { MatMulMany(nil, []Job{j}) }) == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}
