package kernels

import (
	"fmt"
	"os"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// EnvKernels names the environment variable that overrides the choice of
// kernels, for tests and to rule out a suspect: "portable", or another set that
// this CPU can run.
const EnvKernels = "OLMOE_KERNELS"

// kernelSet is one implementation of every kernel, for one kind of CPU. All
// sets give the same bits; lengths have been checked by the caller.
type kernelSet struct {
	name            string
	dot             func(a, b []float32) float32
	axpy            func(dst, x []float32, a float32)
	add             func(dst, x []float32)
	scale           func(x []float32, a float32)
	clamp           func(x []float32, lim float32)
	scaleMul        func(dst, x, w []float32, a float32)
	siluMul         func(dst, gate, up []float32)
	rope            func(a, b, cos, sin []float32)
	max             func(x []float32) float32
	expSum          func(x []float32, m float32) float32
	div             func(x []float32, a float32)
	carries         func(b []byte, mask, add uint64) uint64
	widen           func(dst []float32, t tensor.DType, src []byte)
	narrow          func(dst []byte, src []float32) // to BF16
	matMul          func(j Job, lo, hi int)         // weights as stored; by value, because a pointer would escape
	quantiseWeights func(row []byte, x []float32)
	quantiseBF16    func(row, w []byte) (groups int) // as many groups as it can, from the first one on; no offsets
	quantiseRow     func(row []byte, x []float32)
	interleave      func(block []byte, q *int8Rows)
	addProduct      func(dst []float32, dstStride int, a []float32, aStride, rows int, b Block, next []byte)
	addProducts     func(dst, a []float32, t tensor.DType, blocks, next [BlocksTogether][]byte)
	matMulInt8      func(j int8Job, lo, hi int) // by value, likewise

	// What limits.go measures with.
	read        func(p []byte) // in order
	readStreams func(p []byte) // from several places at once, requested before
	fma         func(rounds int)
	fmaFlops    int // operations in one round of fma
	int8        func(rounds int)
	int8Ops     int // operations in one round of int8
}

var portable = kernelSet{
	name:            "portable",
	dot:             dotPortable,
	axpy:            axpyPortable,
	add:             addPortable,
	scale:           scalePortable,
	clamp:           clampPortable,
	scaleMul:        scaleMulPortable,
	siluMul:         siluMulPortable,
	rope:            ropePortable,
	max:             maxPortable,
	expSum:          expSumPortable,
	div:             divPortable,
	carries:         carriesPortable,
	widen:           widenPortable,
	narrow:          func(dst []byte, src []float32) { narrowPortable(dst, 2, src) },
	matMul:          matMulPortable,
	quantiseWeights: quantiseWeightsPortable,
	quantiseBF16:    func(_, _ []byte) int { return 0 },
	quantiseRow:     quantiseRowPortable,
	interleave:      interleavePortable,
	addProduct:      addProductPortable,
	addProducts:     addProductsPortable,
	matMulInt8:      matMulInt8Portable,
	read:            readPortable,
	readStreams:     readPortable,
	fma:             fmaPortable,
	fmaFlops:        8,
	int8:            int8Portable,
	int8Ops:         8,
}

// active is the set in use, fixed before main starts.
var active = choose(os.Getenv(EnvKernels))

// choose returns the named set, or the fastest one for an empty name. A name
// this CPU cannot run stops the program: silently running something else would
// defeat the purpose of asking.
func choose(name string) *kernelSet {
	sets := available()
	if name == "" {
		return sets[0]
	}
	var names []string
	for _, s := range sets {
		if s.name == name {
			return s
		}
		names = append(names, s.name)
	}
	panic(fmt.Sprintf("%s=%s: this CPU can run %v; unset the variable to use the fastest", EnvKernels, name, names))
}

// Name tells which kernels run: "avx512-vnni", "avx2", "avx2-nt" or "portable".
func Name() string { return active.name }
