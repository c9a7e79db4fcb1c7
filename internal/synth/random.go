package synth

import (
	"math/big"
)

// Weights are approximately normal numbers made of integers only, so that every
// machine makes the same: element i of a tensor takes output i of a splitmix64
// generator seeded with fnv1a64(tensor name) xor the seed, and adds its four
// 16-bit words (the Irwin-Hall approximation of a normal distribution).

// golden is splitmix64's increment; output i is a function of seed + i*golden,
// so any part of a tensor can be made without what comes before it.
const golden = 0x9E3779B97F4A7C15

// fnv1a64 is the 64-bit FNV-1a hash.
func fnv1a64(s string) uint64 {
	h := uint64(0xCBF29CE484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001B3
	}
	return h
}

// wordSum is the sum of the four 16-bit words of a splitmix64 output whose
// state is given: 0 to 262140, mean 131070.
func wordSum(state uint64) uint32 {
	s := (state ^ state>>30) * 0xBF58476D1CE4E5B9
	s = (s ^ s>>27) * 0x94D049BB133111EB
	s ^= s >> 31
	const even = 0x0000FFFF0000FFFF // two words at a time, each in 32 bits
	pair := s&even + s>>16&even
	return uint32(pair) + uint32(pair>>32)
}

const (
	sumMean  = 131070.0
	sumSigma = 37837.2275
)

// normal maps a word sum to a number with mean 0, deviation 1, |z| < 3.47.
func normal(sum uint32) float64 { return (float64(sum) - sumMean) / sumSigma }

// invSqrt is 1/sqrt(n), correctly rounded: dividing after rounding the root
// would be off by one bit for some n, and the weights with it.
func invSqrt(n int) float64 {
	const bits = 200
	x := new(big.Float).SetPrec(bits).SetInt64(int64(n))
	x.Sqrt(x)
	f, _ := x.Quo(big.NewFloat(1).SetPrec(bits), x).Float64()
	return f
}
