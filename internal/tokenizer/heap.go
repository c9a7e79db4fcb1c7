package tokenizer

// chain is a word being merged: symbols in a doubly linked list, so that a
// merge costs no copying, and a heap of the pairs that may merge.
type chain struct {
	m          *bpe
	ids        []int32 // absent = swallowed by its left neighbour
	prev, next []int32 // -1 / len(ids) at the ends
	queue      []uint64
}

// A queue entry is rank<<32 | position of the left symbol, so that the least
// entry is the merge to do next. Words are far shorter than 2^31 bytes: the
// API bounds a request's body.
func entry(rank int32, at int) uint64 { return uint64(rank)<<32 | uint64(uint32(at)) }

func (m *bpe) mergeHeap(ids []int32) []int32 {
	c := newChain(m, ids)
	for len(c.queue) > 0 {
		top := c.pop()
		at := int(uint32(top))
		// An entry is stale once its pair has changed; a rank names one pair,
		// so comparing ranks tells.
		if g := c.pairAt(at); g.rank == int32(top>>32) {
			c.join(at, g.id)
		}
	}
	out := ids[:0]
	for _, id := range c.ids {
		if id != absent {
			out = append(out, id)
		}
	}
	return out
}

func newChain(m *bpe, ids []int32) *chain {
	n := len(ids)
	c := &chain{m: m, ids: ids, prev: make([]int32, n), next: make([]int32, n), queue: make([]uint64, 0, n)}
	for i := range ids {
		c.prev[i], c.next[i] = int32(i-1), int32(i+1)
	}
	for i := range ids {
		c.offer(i)
	}
	return c
}

// pairAt is the merge of the symbol at i with the one after it, or noMerge.
func (c *chain) pairAt(i int) merge {
	if i < 0 || c.ids[i] == absent || int(c.next[i]) >= len(c.ids) {
		return noMerge
	}
	return c.m.merges.get(c.ids[i], c.ids[c.next[i]])
}

func (c *chain) offer(i int) {
	if g := c.pairAt(i); g.id != absent {
		c.push(entry(g.rank, i))
	}
}

// join makes the symbol at i swallow the next one.
func (c *chain) join(i int, id int32) {
	gone := c.next[i]
	c.ids[i], c.ids[gone] = id, absent
	c.next[i] = c.next[gone]
	if int(c.next[i]) < len(c.ids) {
		c.prev[c.next[i]] = int32(i)
	}
	c.offer(int(c.prev[i]))
	c.offer(i)
}

func (c *chain) push(e uint64) {
	q := append(c.queue, e)
	i := len(q) - 1
	for i > 0 && q[(i-1)/2] > e {
		q[i] = q[(i-1)/2]
		i = (i - 1) / 2
	}
	q[i] = e
	c.queue = q
}

func (c *chain) pop() uint64 {
	q := c.queue
	top, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	c.queue = q
	for i := 0; len(q) > 0; {
		kid := 2*i + 1
		if kid+1 < len(q) && q[kid+1] < q[kid] {
			kid++
		}
		if kid >= len(q) || q[kid] >= last {
			q[i] = last
			break
		}
		q[i] = q[kid]
		i = kid
	}
	return top
}
