package kernels

import (
	"fmt"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// In steady state no kernel allocates: the decode path runs them thousands of
// times per token.
func TestNoAllocations(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	const in, out = 256, 128
	r := newRand(t)
	x, dst := normals(r, 40*in), make([]float32, 40*out)
	w := randomWeight(r, tensor.BF16, out, in)
	jobs := []Job{
		{Dst: dst, X: x, DstStride: out, XStride: in, Rows: 1, W: w},
		{Dst: dst[out:], X: x[in:], DstStride: out, XStride: in, Rows: 3, W: w},
	}
	nothing := func(int) {}
	kv := make([]byte, 2*16*128)
	cases := map[string]func(){
		"MatMulMany": func() { MatMulMany(p, jobs) },
		"Run":        func() { p.Run(8, nothing) },
		"Softmax":    func() { Softmax(x[:out]) },
		"RMSNorm":    func() { RMSNorm(dst[:in], x[:in], x[in:2*in], 1e-5) },
		"Dot":        func() { Dot(x[:in], x[in:]) },
		"AddProduct": func() { AddProduct(dst, 16, x, 128, 7, Block{tensor.BF16, w.Data, 128, 16}, w.Data) },
		"Narrow":     func() { Narrow(kv, tensor.BF16, 16, x[:128]) },
		"ExpSum":     func() { ExpSum(x[:out]) },
		"SiLUMul":    func() { SiLUMul(dst[:out], x[:out], x[out:]) },
		"Rope":       func() { Rope(dst[:64], x[:32], x[32:]) },
		"Widen":      func() { Widen(dst[:in], tensor.BF16, w.Data[:2*in]) },
	}
	small, _ := Quantise(nil, w, make([]byte, Int8Bytes(out, in)))
	for _, rows := range []int{1, 5, 40} {
		cases[fmt.Sprintf("int8 MatMul of %d rows", rows)] = func() { MatMul(p, dst, x, rows, small) }
		cases[fmt.Sprintf("inline int8 MatMul of %d rows", rows)] = func() { MatMul(nil, dst, x, rows, small) }
	}
	packed := make([]byte, 40*PackedBytes(in))
	for r := range 40 {
		Pack(packed[r*PackedBytes(in):], x[r*in:][:in])
	}
	ready := []Job{{Dst: dst, DstStride: out, Rows: 40, W: small, Packed: packed}}
	cases["packed MatMulMany"] = func() { MatMulMany(p, ready) }
	cases["inline packed MatMulMany"] = func() { MatMulMany(nil, ready) }
	for _, rows := range []int{1, 2, 5, 12, 13, 40} {
		cases[fmt.Sprintf("MatMul of %d rows", rows)] = func() { MatMul(p, dst, x, rows, w) }
		cases[fmt.Sprintf("inline MatMul of %d rows", rows)] = func() { MatMul(nil, dst, x, rows, w) }
	}
	for name, f := range cases {
		f() // scratch is made on first use
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %g allocations per call", name, n)
		}
	}
}
