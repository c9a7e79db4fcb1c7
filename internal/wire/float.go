//go:build amd64 || arm64 || loong64 || ppc64le || riscv64

package wire

import "unsafe"

// A frame's floats have the layout of these machines' memory, so rows are copied
// and never converted. On a big-endian machine this file, and so the program,
// does not build.

// floatBytes views x as its bytes.
func floatBytes(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

// uint16Bytes views x as its bytes.
func uint16Bytes(x []uint16) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
}
