package kernels

import "math"

// Dot is sum_k a[k]*b[k]. b must be at least as long as a.
func Dot(a, b []float32) float32 { return active.dot(a, b[:len(a)]) }

// Axpy is dst += a*x, one fused multiply-add per element.
func Axpy(dst, x []float32, a float32) { active.axpy(dst, x[:len(dst)], a) }

// Add is dst += x.
func Add(dst, x []float32) { active.add(dst, x[:len(dst)]) }

// Scale is x *= a.
func Scale(x []float32, a float32) { active.scale(x, a) }

// Clamp limits x to [-lim, lim]; NaN stays NaN.
func Clamp(x []float32, lim float32) { active.clamp(x, lim) }

// SiLUMul is dst = silu(gate) * up, silu(g) = g / (1 + exp(-g)).
func SiLUMul(dst, gate, up []float32) {
	active.siluMul(dst, gate[:len(dst)], up[:len(dst)])
}

// Rope rotates one head in place, half-split ("NeoX") layout: element i pairs
// with i+len(x)/2. cos and sin hold len(x)/2 values for the row's position
// (RoFormer, Su et al. 2021).
func Rope(x []float32, cos, sin []float32) {
	h := len(x) / 2
	active.rope(x[:h], x[h:2*h], cos[:h], sin[:h])
}

// RMSNorm is dst = w * x / sqrt(mean(x^2) + eps) for one row (Zhang and
// Sennrich 2019), statistics in float32. dst may be x.
func RMSNorm(dst, x, w []float32, eps float32) {
	n := len(x)
	mean := active.dot(x, x) / float32(n)
	root := float32(math.Sqrt(float64(mean + eps))) // correctly rounded
	active.scaleMul(dst[:n], x, w[:n], 1/root)
}

// Softmax replaces x by exp(x - max) / sum. -Inf becomes 0; a NaN, a +Inf or
// nothing but -Inf makes every element NaN.
func Softmax(x []float32) {
	if len(x) == 0 {
		return
	}
	sum := active.expSum(x, active.max(x))
	active.div(x, sum)
}
