// Package tensor holds the one type that checkpoint files and kernels share:
// a named, row-major view of bytes.
package tensor

import "fmt"

// DType is the element type of a stored tensor.
type DType uint8

// The element types an OLMoE checkpoint may use.
const (
	BF16 DType = iota + 1 // upper 16 bits of an IEEE float32
	F16                   // IEEE binary16
	F32                   // IEEE binary32
)

// Size is the width of one element in bytes.
func (d DType) Size() int {
	if d == F32 {
		return 4
	}
	return 2
}

// String spells the type as safetensors headers do.
func (d DType) String() string {
	switch d {
	case BF16:
		return "BF16"
	case F16:
		return "F16"
	case F32:
		return "F32"
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// Tensor is a read-only, little-endian, row-major array. Weights have shape
// [out, in]. Data may be a window into a memory-mapped file and has no
// alignment: kernels must use unaligned loads.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
}

// Elements is the product of the shape.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}
