package wire

import (
	"bytes"
	"math/bits"
)

// Bitmap is a set of (layer, expert) pairs.
type Bitmap struct {
	Layers, Experts int
	stride          int // bytes of a layer
	bits            []byte
}

// NewBitmap makes an empty set.
func NewBitmap(layers, experts int) Bitmap {
	n := stride(experts)
	return Bitmap{Layers: layers, Experts: experts, stride: n, bits: make([]byte, layers*n)}
}

// stride is the bytes of a layer.
func stride(experts int) int { return (experts + 7) / 8 }

// Has reports whether the pair is in the set; a pair out of range is not.
func (b *Bitmap) Has(layer, expert int) bool {
	if layer < 0 || layer >= b.Layers || expert < 0 || expert >= b.Experts {
		return false
	}
	return b.bits[layer*b.stride+expert/8]&(1<<(expert%8)) != 0
}

// Set adds a pair, which must be in range.
func (b *Bitmap) Set(layer, expert int) { b.bits[layer*b.stride+expert/8] |= 1 << (expert % 8) }

// Count is the number of pairs in the set.
func (b *Bitmap) Count() int {
	n := 0
	for _, x := range b.bits {
		n += bits.OnesCount8(x)
	}
	return n
}

// Equal reports whether both sets are of one size and hold the same pairs.
func (b *Bitmap) Equal(o *Bitmap) bool {
	return b.Layers == o.Layers && b.Experts == o.Experts && bytes.Equal(b.bits, o.bits)
}

// tidy reports that no bit past a layer's last expert is set.
func (b *Bitmap) tidy() bool {
	if b.Experts%8 == 0 {
		return true
	}
	mask := byte(0xff) << (b.Experts % 8)
	for l := range b.Layers {
		if b.bits[(l+1)*b.stride-1]&mask != 0 {
			return false
		}
	}
	return true
}
