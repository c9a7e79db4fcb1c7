package tokenizer

import "slices"

// bpe merges the bytes of a word into tokens: again and again the adjacent
// pair that the merge list names first, leftmost on a tie (Sennrich et al.
// 2016, as in the reference library).
type bpe struct {
	byteIDs [256]int32 // the token of one byte, or absent
	merges  mergeTable
	unk     int32            // for bytes without a token; absent: they are dropped
	fuseUnk bool             // one unk for a run of such bytes
	whole   map[string]int32 // ignore_merges: word bytes -> token; nil if off
}

const absent int32 = -1

type merge struct {
	rank int32 // place in the merge list, lower merges first
	id   int32 // the token it makes
}

// scanLimit is the longest word merged by scanning (quadratic, but without a
// queue). Longer words use the heap, so a megabyte of one letter stays
// n log n. Measured on words of random letters: scanning takes half the time
// at 32 symbols, the same at about 64 to 100.
const scanLimit = 64

// word returns the tokens of one word. Both ways give the same ids.
func (m *bpe) word(w string) []int32 {
	if id, ok := m.whole[w]; ok {
		return []int32{id}
	}
	ids := m.symbols(w)
	if len(ids) <= scanLimit {
		return m.mergeScan(ids)
	}
	return m.mergeHeap(ids)
}

// symbols are the one-byte tokens to start from.
func (m *bpe) symbols(w string) []int32 {
	ids := make([]int32, 0, len(w))
	unknown := false // the byte before was unknown
	for i := 0; i < len(w); i++ {
		id := m.byteIDs[w[i]]
		if id != absent {
			ids = append(ids, id)
		} else if m.unk != absent && !(unknown && m.fuseUnk) {
			ids = append(ids, m.unk)
		}
		unknown = id == absent
	}
	return ids
}

func (m *bpe) mergeScan(ids []int32) []int32 {
	var room [scanLimit]merge
	next := room[:0] // next[i] is the merge of ids[i] and ids[i+1]
	for i := 0; i+1 < len(ids); i++ {
		next = append(next, m.merges.get(ids[i], ids[i+1]))
	}
	for len(next) > 0 {
		at := 0
		for i := range next {
			if next[i].rank < next[at].rank {
				at = i
			}
		}
		if next[at].id == absent {
			break
		}
		ids[at] = next[at].id
		ids = slices.Delete(ids, at+1, at+2)
		next = slices.Delete(next, at, at+1)
		if at > 0 {
			next[at-1] = m.merges.get(ids[at-1], ids[at])
		}
		if at < len(next) {
			next[at] = m.merges.get(ids[at], ids[at+1])
		}
	}
	return ids
}
