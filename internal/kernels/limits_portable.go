package kernels

import (
	"encoding/binary"
	"runtime"
)

// readPortable reads p, eight bytes at a time.
func readPortable(p []byte) {
	var sum uint64
	for len(p) >= 8 {
		sum += binary.LittleEndian.Uint64(p)
		p = p[8:]
	}
	runtime.KeepAlive(sum) // the loop must stay
}

// fmaPortable does 4 independent multiply-adds of the emulated kind a round.
func fmaPortable(rounds int) {
	a, b, c, d := float32(1), float32(2), float32(3), float32(4)
	for range rounds {
		a, b, c, d = fma32(a, 0.5, 1), fma32(b, 0.5, 1), fma32(c, 0.5, 1), fma32(d, 0.5, 1)
	}
	runtime.KeepAlive([4]float32{a, b, c, d})
}

// int8Portable does 4 independent multiply-adds a round.
func int8Portable(rounds int) {
	var a, b, c, d int32
	x, y := int8(3), int8(5)
	for range rounds {
		a, b, c, d = a+int32(x)*int32(y), b+int32(x)*int32(y+1), c+int32(x)*int32(y+2), d+int32(x)*int32(y+3)
		x++
	}
	runtime.KeepAlive([4]int32{a, b, c, d})
}
