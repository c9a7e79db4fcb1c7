package kernels

import "encoding/binary"

// Carries adds to every word of eight bytes, of which only the bits of mask are
// taken, and returns the sums ORed together: a scan for elements whose bits of mask
// are all set. Bytes beyond the last whole word are a word filled up with zeros.
func Carries(b []byte, mask, add uint64) uint64 { return active.carries(b, mask, add) }

func carriesPortable(b []byte, mask, add uint64) uint64 {
	var a0, a1, a2, a3 uint64
	for ; len(b) >= 32; b = b[32:] {
		a0 |= binary.LittleEndian.Uint64(b)&mask + add
		a1 |= binary.LittleEndian.Uint64(b[8:])&mask + add
		a2 |= binary.LittleEndian.Uint64(b[16:])&mask + add
		a3 |= binary.LittleEndian.Uint64(b[24:])&mask + add
	}
	for ; len(b) > 0; b = b[min(8, len(b)):] {
		var word [8]byte
		copy(word[:], b)
		a0 |= binary.LittleEndian.Uint64(word[:])&mask + add
	}
	return a0 | a1 | a2 | a3
}
