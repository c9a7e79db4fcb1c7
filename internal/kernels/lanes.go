package kernels

// lanes is the accumulator of every sum over k: see the package comment.
const lanes = 16

// reduce adds 16 lanes in the one order that all kernels use: halves first,
// then neighbours twice, then the two that are left.
func reduce(l *[lanes]float32) float32 {
	var t [8]float32
	for j := range t {
		t[j] = l[j] + l[j+8]
	}
	return reduceEight(&t)
}

// reduceEight is the rest of reduce.
func reduceEight(t *[8]float32) float32 {
	low := (t[0] + t[1]) + (t[2] + t[3])
	high := (t[4] + t[5]) + (t[6] + t[7])
	return low + high
}

// dotPortable is sum a[k]*b[k] in canonical order.
func dotPortable(a, b []float32) float32 {
	var acc [lanes]float32
	b = b[:len(a)]
	for len(a) >= lanes {
		dotStep(&acc, (*[lanes]float32)(a), (*[lanes]float32)(b))
		a, b = a[lanes:], b[lanes:]
	}
	if len(a) > 0 {
		var pa, pb [lanes]float32
		copy(pa[:], a)
		copy(pb[:], b)
		dotStep(&acc, &pa, &pb)
	}
	return reduce(&acc)
}

func dotStep(acc, a, b *[lanes]float32) {
	for j := range acc {
		acc[j] = fma32(a[j], b[j], acc[j])
	}
}
