package sampling

// golden is 2^64 divided by the golden ratio: the increment of splitmix64.
const golden = 0x9E3779B97F4A7C15

// mix is the output function of splitmix64 (Steele, Lea, Flood: "Fast
// splittable pseudorandom number generators", OOPSLA 2014; Stafford's variant
// 13): a bijection of 64 bits in which each input bit flips half the output.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// uniform returns the draw of one step as a number in [0, 1) with 53 random
// bits. It has no state: the same seed and step always give the same number.
// The seed is mixed first so that neighbouring seeds are not shifted copies
// of one stream.
func uniform(seed, step uint64) float64 {
	return float64(mix(mix(seed+golden)+golden*(step+1))>>11) * 0x1p-53
}

// SeedOf returns the seed of choice i of a request: the request's own for
// i = 0, an independent one for each further choice.
func SeedOf(seed uint64, i int) uint64 {
	if i == 0 {
		return seed
	}
	return mix(mix(seed) ^ mix(golden*uint64(i)))
}
