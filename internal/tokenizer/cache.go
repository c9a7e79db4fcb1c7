package tokenizer

import (
	"hash/maphash"
	"sync/atomic"
)

// cacheSlots x maxCachedWord bounds the cache: at most 16384 entries of a word
// of up to 48 bytes and its ids, about 5 MB when every slot is at its worst.
const (
	cacheSlots    = 1 << 14
	maxCachedWord = 48
)

// wordCache remembers the tokens of words. Text repeats its words, so most are
// found here. A slot holds the last word that hashed to it; readers and writers
// swap whole entries, so nothing is locked and an entry is never half written.
type wordCache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cached]
}

type cached struct {
	word string
	ids  []int32
}

func newWordCache() *wordCache { return &wordCache{seed: maphash.MakeSeed()} }

func (c *wordCache) slot(word string) *atomic.Pointer[cached] {
	return &c.slots[maphash.String(c.seed, word)%cacheSlots]
}

func (c *wordCache) get(word string) ([]int32, bool) {
	if e := c.slot(word).Load(); e != nil && e.word == word {
		return e.ids, true
	}
	return nil, false
}

// put copies word: it is a window into a request's text, which must not be
// kept alive by a cache entry.
func (c *wordCache) put(word string, ids []int32) {
	c.slot(word).Store(&cached{word: string([]byte(word)), ids: append([]int32(nil), ids...)})
}
