package kernels

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/cpu"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// available lists the kernel sets this CPU can run, fastest first.
func available() []*kernelSet {
	sets := []*kernelSet{&portable}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C {
		if cpuid.CPU.IsVendor(cpuid.AMD) {
			sets = append([]*kernelSet{&avx2NT, &avx2}, sets...)
		} else {
			sets = append([]*kernelSet{&avx2, &avx2NT}, sets...)
		}
		if hasVNNI() {
			sets = append([]*kernelSet{&avx512VNNI}, sets...)
		}
	}
	return sets
}

// avx2 needs AVX2, FMA and F16C: Intel since Haswell, AMD since Zen.
var avx2 = kernelSet{
	name:            "avx2",
	dot:             dotAVX2,
	axpy:            axpyAVX2,
	add:             addAVX2,
	scale:           scaleAVX2,
	clamp:           clampAVX2,
	scaleMul:        scaleMulAVX2,
	siluMul:         siluMulAVX2,
	rope:            ropeAVX2,
	max:             maxAVX2,
	expSum:          expSumAVX2,
	div:             divAVX2,
	carries:         carriesBlocksAVX2,
	widen:           widenAVX2,
	narrow:          narrowAVX2,
	matMul:          intoCaches.matMul,
	quantiseWeights: quantiseAll(quantiseWeightsAVX2, quantiseWeightsPortable),
	quantiseBF16:    quantiseBF16,
	quantiseRow:     quantiseAll(quantiseRowAVX2, quantiseRowPortable),
	interleave:      interleaveBlockAVX2,
	addProduct:      blocksAVX2.addProduct,
	addProducts:     blocksAVX2.addProducts,
	matMulInt8:      int8IntoCaches.matMul,
	read:            readBlocksAVX2,
	readStreams:     streamsOf(readStreams),
	fma:             fmaAVX2,
	fmaFlops:        12 * 8 * 2,
	int8:            int8AVX2,
	int8Ops:         6 * 32 * 2,
}

// bytesOf is the address of a slice of float32 for kernels that take stored
// weights.
func bytesOf(x []float32) *byte { return (*byte)(unsafe.Pointer(unsafe.SliceData(x))) }

// avx2NT is avx2 but for the way in which weights are requested ahead of their use:
// past the outer caches, which leaves those to the rest of the program. It is the
// faster one on AMD; Intel's CPUs read memory at half their rate so (docs/adr/0157).
var avx2NT = withNT(avx2)

func withNT(s kernelSet) kernelSet {
	s.name = "avx2-nt"
	s.matMul, s.matMulInt8 = pastCaches.matMul, int8PastCaches.matMul
	s.readStreams = streamsOf(readStreamsNT)
	return s
}

func dotAVX2(a, b []float32) float32 {
	var sum float32
	dotF32_1(&sum, unsafe.SliceData(a), bytesOf(b), 0, 0, 0, len(a), 1)
	return sum
}

func widenAVX2(dst []float32, t tensor.DType, src []byte) {
	n := len(dst) &^ 7
	switch {
	case n == 0:
	case t == tensor.BF16:
		widenBF16(&dst[0], &src[0], n/8)
	case t == tensor.F16:
		widenF16(&dst[0], &src[0], n/8)
	case t == tensor.F32:
		n = copy(unsafe.Slice(bytesOf(dst), 4*len(dst)), src) / 4
	}
	widenPortable(dst[n:], t, src[n*t.Size():])
}

func narrowAVX2(dst []byte, src []float32) {
	n := len(src) &^ 15
	if n > 0 {
		narrowBF16(&dst[0], &src[0], n/16)
	}
	narrowPortable(dst[2*n:], 2, src[n:])
}

func carriesBlocksAVX2(b []byte, mask, add uint64) (all uint64) {
	const block = 128
	if n := len(b) / block; n > 0 {
		all = carriesAVX2(&b[0], n, mask, add)
		b = b[n*block:]
	}
	return all | carriesPortable(b, mask, add)
}

func readBlocksAVX2(p []byte) {
	if len(p) >= 256 {
		readAVX2(&p[0], len(p)/256)
	}
}

// streamsOf reads whole lines of four quarters.
func streamsOf(kernel func(p *byte, stride uintptr, lines int)) func([]byte) {
	const streams, line = 4, 64
	return func(p []byte) {
		if lines := len(p) / streams / line; lines > 0 {
			kernel(&p[0], uintptr(lines*line), lines)
		}
	}
}
