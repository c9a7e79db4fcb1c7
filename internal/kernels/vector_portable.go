package kernels

import "math"

// The portable forms of the vector kernels. Products that must not be fused
// into a following add are wrapped in float32(): the language lets a compiler
// fuse x*y+z otherwise (it does on arm64).

func axpyPortable(dst, x []float32, a float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = fma32(a, x[i], dst[i])
	}
}

func addPortable(dst, x []float32) {
	for i := range dst {
		dst[i] += x[i]
	}
}

func scalePortable(x []float32, a float32) {
	for i := range x {
		x[i] *= a
	}
}

func clampPortable(x []float32, lim float32) {
	for i, v := range x {
		if v > lim {
			x[i] = lim
		} else if v < -lim {
			x[i] = -lim
		}
	}
}

// scaleMulPortable is dst = (x*a) * w.
func scaleMulPortable(dst, x, w []float32, a float32) {
	for i := range dst {
		dst[i] = float32(x[i]*a) * w[i]
	}
}

func siluMulPortable(dst, gate, up []float32) {
	for i := range dst {
		g := gate[i]
		dst[i] = float32(g/(1+exp32(-g))) * up[i]
	}
}

// ropePortable rotates the pairs (a[i], b[i]) by the angle of cos, sin.
func ropePortable(a, b, cos, sin []float32) {
	for i := range a {
		x, y := a[i], b[i]
		a[i] = fma32(x, cos[i], -float32(y*sin[i]))
		b[i] = fma32(y, cos[i], float32(x*sin[i]))
	}
}

// maxPortable ignores NaNs; -Inf if there is nothing else.
func maxPortable(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}

// expSumPortable replaces x by exp(x-m) and returns the sum of the results.
func expSumPortable(x []float32, m float32) float32 {
	var acc [lanes]float32
	for i, v := range x {
		e := exp32(v - m)
		x[i] = e
		acc[i%lanes] += e
	}
	return reduce(&acc)
}

func divPortable(x []float32, a float32) {
	for i := range x {
		x[i] /= a
	}
}
