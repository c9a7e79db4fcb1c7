package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

var kvTypes = []tensor.DType{tensor.BF16, tensor.F32}

func randomBlock(r *rand.Rand, d tensor.DType, k, cols int) Block {
	return Block{DType: d, K: k, Cols: cols, Data: stored(d, normals(r, k*cols))}
}

// one element of AddProduct, as its comment has it.
func element(sum float32, a []float32, b Block, col int) float32 {
	var v [1]float32
	for k := range b.K {
		Widen(v[:], b.DType, b.Data[(k*b.Cols+col)*b.DType.Size():][:b.DType.Size()])
		sum = fma32(a[k], v[0], sum)
	}
	return sum
}

// Every set of kernels gives each element the bits of its own sum, alone or in a
// tile, for all sizes around those of the tiles.
func TestAddProductIsOneSumAnElement(t *testing.T) {
	r := newRand(t)
	for _, d := range kvTypes {
		for _, rows := range []int{1, 2, 5, 6, 7, 12, 13} {
			for _, cols := range []int{1, 15, 16, 17, 64, 72, 128, 150} {
				for _, k := range []int{1, 3, 16, 128} {
					b, a := randomBlock(r, d, k, cols), normals(r, rows*(k+3))
					start := normals(r, rows*(cols+2))
					want := slices.Clone(start)
					for i := range rows {
						for c := range cols {
							at := i*(cols+2) + c
							want[at] = element(start[at], a[i*(k+3):], b, c)
						}
					}
					for _, s := range available() {
						got := slices.Clone(start)
						s.addProduct(got, cols+2, a, k+3, rows, b, b.Data)
						sameBits(t, fmt.Sprintf("%s %v [%d,%d] x [%d,%d]", s.name, d, rows, k, k, cols), got, want)
					}
				}
			}
		}
	}
}

// Four blocks together are four blocks one after the other, to the bit.
func TestAddProductsIsAddProductOfEach(t *testing.T) {
	r := newRand(t)
	for _, d := range kvTypes {
		for _, k := range []int{1, 2, 16, 127, 128} {
			a, start := normals(r, k), normals(r, BlocksTogether*BlockCols+3)
			want := slices.Clone(start)
			var blocks, none [BlocksTogether][]byte
			for i := range blocks {
				b := randomBlock(r, d, k, BlockCols)
				blocks[i] = b.Data
				addProductPortable(want[i*BlockCols:], BlockCols, a, k, 1, b, nil)
			}
			for _, s := range available() {
				for _, next := range [][BlocksTogether][]byte{blocks, none} {
					got := slices.Clone(start)
					s.addProducts(got, a, d, blocks, next)
					sameBits(t, fmt.Sprintf("%s %v k=%d", s.name, d, k), got, want)
				}
			}
		}
	}
}

func TestAddProductsRefusesWrongSizes(t *testing.T) {
	block := make([]byte, 2*16*8)
	whole := [BlocksTogether][]byte{block, block, block, block}
	short := whole
	short[3] = block[1:]
	for name, f := range map[string]func(){
		"short sums":  func() { AddProducts(make([]float32, 63), make([]float32, 8), tensor.BF16, &whole, &whole) },
		"no terms":    func() { AddProducts(make([]float32, 64), nil, tensor.BF16, &whole, &whole) },
		"short block": func() { AddProducts(make([]float32, 64), make([]float32, 8), tensor.BF16, &short, &whole) },
		"wider type":  func() { AddProducts(make([]float32, 64), make([]float32, 8), tensor.F32, &whole, &whole) },
	} {
		if recovered(f) == nil {
			t.Errorf("%s: no panic", name)
		}
	}
	AddProducts(make([]float32, 64), make([]float32, 8), tensor.BF16, &whole, &whole)
}

// A sum that is cut into blocks is the same sum.
func TestAddProductContinues(t *testing.T) {
	r := newRand(t)
	const rows, cols, k = 7, 32, 48
	b, a := randomBlock(r, tensor.BF16, k, cols), normals(r, rows*k)
	whole, parts := make([]float32, rows*cols), make([]float32, rows*cols)
	AddProduct(whole, cols, a, k, rows, b, nil)
	for at := 0; at < k; at += 16 {
		part := Block{DType: b.DType, K: 16, Cols: cols, Data: b.Data[at*cols*2:]}
		AddProduct(parts, cols, a[at:], k, rows, part, nil)
	}
	sameBits(t, "three blocks", parts, whole)
}

func TestAddProductExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	a := []float32{0, inf, 1, nan, -0x1p-149, 3e38, 2, 0, 0, 0, 0, 0}
	for _, v := range []float32{0, inf, -inf, nan, 0x1p-126, -0x1p-133, 3e38} {
		b := Block{DType: tensor.BF16, K: 2, Cols: 16, Data: stored(tensor.BF16, slices.Repeat([]float32{v}, 32))}
		want := make([]float32, 6*16)
		addProductPortable(want, 16, a, 2, 6, b, nil)
		for _, s := range available() {
			got := make([]float32, 6*16)
			s.addProduct(got, 16, a, 2, 6, b, nil)
			sameBits(t, fmt.Sprintf("%s %g", s.name, v), got, want)
		}
	}
}

func TestAddProductRefusesWrongSizes(t *testing.T) {
	b := Block{DType: tensor.F32, K: 4, Cols: 16, Data: make([]byte, 4*16*4)}
	short := b
	short.Data = b.Data[1:]
	for name, f := range map[string]func(){
		"block": func() { AddProduct(make([]float32, 16), 16, make([]float32, 4), 4, 1, short, nil) },
		"dst":   func() { AddProduct(make([]float32, 31), 16, make([]float32, 8), 4, 2, b, nil) },
		"a":     func() { AddProduct(make([]float32, 32), 16, make([]float32, 7), 4, 2, b, nil) },
	} {
		if recovered(f) == nil {
			t.Errorf("%s too short was not refused", name)
		}
	}
	AddProduct(nil, 0, nil, 0, 0, b, nil) // nothing to do
}

func TestExpSumIsSoftmax(t *testing.T) {
	r := newRand(t)
	for _, n := range []int{1, 7, 16, 100} {
		x := normals(r, n)
		want := slices.Clone(x)
		Softmax(want)
		Div(x, ExpSum(x))
		sameBits(t, "softmax", x, want)
	}
}
