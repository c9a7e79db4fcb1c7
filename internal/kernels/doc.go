// Package kernels holds the arithmetic of the model: matrix products over
// stored weights, norms, softmax, rotary embedding, and the worker pool that
// spreads them over cores.
//
// # One order per element
//
// Invariant 1 of docs/architecture.md (an answer depends on the request alone) is
// kept here: every output element has exactly one order of float32 operations. It
// does not depend on the number of rows, on the range or tile an element is
// computed in, on the worker count, on alignment, nor on the CPU:
//
//   - A sum over k (Dot, a matrix product's, the square sum of RMSNorm) runs in 16 lanes.
//     The operands are padded with zeros to a multiple of 16; lane j starts at
//     +0 and takes elements k = j, j+16, j+32, … by one fused multiply-add
//     each. The 16 lanes are then added in one tree: lane j to lane j+8, then
//     neighbours, then neighbours, then the two halves (see reduce).
//   - A product with weights in 8-bit form takes the exact integer sum of a group
//     by one fused multiply-add per group (see matMulInt8Portable). Rows of x are
//     quantised one by one.
//   - The sum of Softmax runs in the same lanes and tree with plain adds.
//   - Attention's sums (AddProduct: scores over the head, values over positions)
//     and the combine's (Axpy) take one fused multiply-add per term, in ascending
//     order.
//   - exp is one polynomial (see exp32); division and square root are correctly
//     rounded by IEEE 754.
//
// The portable kernels compute the float32 fused multiply-add exactly, so they
// give the same bits as the vector ones. Only the payload of a NaN may differ.
//
// # Choice of kernels
//
// The fastest set that the CPU can run is chosen at start; Name tells which. The
// environment variable OLMOE_KERNELS (portable, avx2, avx2-nt, avx512-vnni) overrides the
// choice.
//
// # Memory
//
// Weights come from memory-mapped files: nothing is assumed of their alignment
// and no byte beyond a slice is ever read. A page that cannot be read (the file
// was cut short) becomes a panic of the caller, see Pool.Run. No kernel
// allocates in steady state.
//
// # Files
//
//	dispatch, avx2, avx512         which kernels this CPU runs
//	weight, matmul, panels, lanes  products with weights as stored, and their order of sums
//	int8, quantise                 products with 8-bit weights, and making these
//	upcoming                       weights that are requested while others are at hand
//	vector, exp, fma               norms, softmax, rotary embedding, and what they are made of
//	block                          attention's products with KV pages
//	widen, narrow, carries         stored elements as float32, and back; a scan for those that are not finite
//	pool, sleeper, scratch         workers, how they wait, their memory
//	limits                         what this machine can do (olmoe bench)
//
// X.go is portable and X_pool.go spreads it over the workers. X_amd64.go is the Go side of
// the vector kernels, which gen/ writes as X_avx2_amd64.s, X_avx512_amd64.s or X_vnni_amd64.s, with their
// declarations in X_stub_amd64.go.
package kernels
