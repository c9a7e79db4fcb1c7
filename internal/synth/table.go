package synth

import "github.com/olmoe-serving/olmoe-operator/internal/tensor"

// wordSums is how many values a word sum has. An element depends on nothing
// else, so for large tensors a table of the rounded elements replaces most of
// the arithmetic (measured: 3 times as fast).
const wordSums = 4*0xFFFF + 1

// tables holds one table for each spread; a model has about ten.
type tables map[spread][]uint16

// use gives a source its table if it has 16-bit elements, enough of them to be
// worth it, and no factor of its own in each row.
func (t tables) use(s *source, elements int) {
	if elements < wordSums || s.skew != nil || s.dtype == tensor.F32 {
		return
	}
	if t[s.spread] == nil {
		table := make([]uint16, wordSums)
		for sum := range table {
			table[sum] = round16(s.dtype, float32(s.value(uint32(sum))))
		}
		t[s.spread] = table
	}
	s.table = t[s.spread]
}
