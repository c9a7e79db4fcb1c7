package kernels

import (
	"hash/fnv"
	"math"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// integers returns n values in [-1, 1) from integer arithmetic alone, so that
// every kind of CPU starts from the same bits.
func integers(seed uint64, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		seed = seed*6364136223846793005 + 1442695040888963407
		x[i] = float32(int32(seed>>32)) * 0x1p-31
	}
	return x
}

// A pool may mix kinds of CPU: invariant 1 must hold across them. The bits
// below were written by the AVX2 kernels of an AMD Zen 3; a build for any other
// architecture has to reproduce them.
func TestSameBitsOnEveryCPU(t *testing.T) {
	const rows, out, in = 14, 21, 1072
	x, y := integers(1, rows*in), integers(2, rows*in)
	hash := fnv.New64a()
	add := func(v []float32) {
		for _, f := range v {
			b := math.Float32bits(f)
			_, _ = hash.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
		}
	}
	for _, d := range dtypes {
		w := Weight{Out: out, In: in, DType: d, Data: stored(d, integers(3, out*in))}
		for _, n := range []int{1, 3, 8, rows} {
			dst := make([]float32, n*out)
			MatMul(nil, dst, x, n, w)
			add(dst)
		}
	}
	scores := make([]float32, 10)
	for i := range scores {
		scores[i] = Dot(x[:100], y[128*i:])
	}
	Softmax(scores)
	add(scores)
	z := integers(4, 1000)
	kv := make([]byte, 2*10*100)
	Narrow(kv, tensor.BF16, 1, y[:1000])
	AddProduct(z, 100, scores, 0, 7, Block{tensor.BF16, kv, 10, 100}, nil)
	add([]float32{ExpSum(scores)})
	SiLUMul(z, z, y[:1000])
	Rope(z[100:200], x[:50], y[:50])
	Scale(z[200:], 40)
	Softmax(z[200:400])
	RMSNorm(z[400:], z[400:], y[:600], 1e-5)
	Clamp(z[600:], 0.5)
	Add(z, x[:1000])
	Axpy(z, y[:1000], 0.3)
	add(z)
	add([]float32{Dot(x, y)})

	const want = 0xd7c17896b7befb12
	if got := hash.Sum64(); got != want {
		t.Errorf("%s: results hash to %#x, want %#x", Name(), got, uint64(want))
	}
}
