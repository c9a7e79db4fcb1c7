package model

import "math"

// ropeTable holds cos and sin of pos * theta^(-2i/hd) for every position and
// i < hd/2, computed as transformers does: the inverse frequency and the angle
// are rounded to float32 before cos and sin are taken (RoFormer, Su et al. 2021;
// half-split layout).
type ropeTable struct {
	half     int
	cos, sin []float32 // [positions, half]
}

func newRopeTable(positions, headDim int, theta float64) *ropeTable {
	half := headDim / 2
	t := &ropeTable{half: half, cos: make([]float32, positions*half), sin: make([]float32, positions*half)}
	inv := make([]float32, half)
	for i := range inv {
		// torch raises the (double) base to a float32 exponent in float32
		e := float32(2*i) / float32(headDim)
		inv[i] = 1 / float32(math.Pow(theta, float64(e)))
	}
	for p := range positions {
		for i, f := range inv {
			angle := float64(float32(p) * f)
			t.cos[p*half+i] = float32(math.Cos(angle))
			t.sin[p*half+i] = float32(math.Sin(angle))
		}
	}
	return t
}

func (t *ropeTable) at(pos int) (cos, sin []float32) {
	return t.cos[pos*t.half : (pos+1)*t.half], t.sin[pos*t.half : (pos+1)*t.half]
}
