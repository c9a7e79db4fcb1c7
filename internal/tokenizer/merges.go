package tokenizer

import "math/bits"

// mergeTable finds the merge of a pair of tokens. It is asked for every pair of
// every word that the cache does not know, so it is an open-addressing hash
// table with integer keys: a lookup is a multiplication and mostly one load.
type mergeTable struct {
	slots []mergeSlot
	shift uint // 64 - log2(len(slots))
}

type mergeSlot struct {
	key   uint64 // left<<32 | right, plus 1: 0 is an empty slot
	merge merge
}

// noMerge ranks behind every merge.
var noMerge = merge{rank: 1<<31 - 1, id: absent}

func newMergeTable(n int) mergeTable {
	log := uint(bits.Len(uint(2*n + 1))) // at most half full, so that probing ends soon
	return mergeTable{slots: make([]mergeSlot, 1<<log), shift: 64 - log}
}

func pairKey(left, right int32) uint64 { return uint64(left)<<32 | uint64(uint32(right)) + 1 }

// slot is where the key is, or the empty slot where it would be.
func (t *mergeTable) slot(key uint64) *mergeSlot {
	mask := uint64(len(t.slots) - 1)
	for i := key * 0x9E3779B97F4A7C15 >> t.shift; ; i++ { // Fibonacci hashing
		s := &t.slots[i&mask]
		if s.key == key || s.key == 0 {
			return s
		}
	}
}

func (t *mergeTable) put(left, right int32, m merge) {
	*t.slot(pairKey(left, right)) = mergeSlot{key: pairKey(left, right), merge: m}
}

// get is noMerge for a pair that does not merge.
func (t *mergeTable) get(left, right int32) merge {
	if s := t.slot(pairKey(left, right)); s.key != 0 {
		return s.merge
	}
	return noMerge
}
