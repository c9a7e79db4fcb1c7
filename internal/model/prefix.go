package model

// prefix names a full page by all that its keys and values depend on: its own
// tokens and, through the page before it, every token before those. Names are
// compared whole, not by a hash of ours, so one prompt can never be taken for another.
type prefix struct {
	before uint64 // id of the page before it; 0 at the start of a sequence
	tokens [PageTokens]int32
}

// nameOf the page that follows before (nil at the start) and holds tokens
// [PageTokens]; false when before is in no index, and so names nothing.
func nameOf(before *Page, tokens []int32) (n prefix, ok bool) {
	if before != nil {
		n.before = before.id
	}
	copy(n.tokens[:], tokens)
	return n, before == nil || before.id != 0
}

// Find hands out the page of tokens [PageTokens] that follows before (nil at the
// start of a sequence), or nil when it is not known. The page is shared: it may be
// read, never written.
func (p *Pages) Find(before *Page, tokens []int32) *Page {
	n, ok := nameOf(before, tokens)
	if !ok {
		return nil
	}
	pg := p.index[n]
	if pg == nil {
		return nil
	}
	if pg.users == 0 {
		pg.unlink()
		p.inUse.Add(1)
	}
	pg.users++
	return pg
}

// Keep enters pg, whose positions are all computed, in the index. If an equal page
// is there already, pg is taken back and that one handed out: it holds the same
// bits (invariant 1). The caller goes on with the page that is returned.
func (p *Pages) Keep(pg, before *Page, tokens []int32) *Page {
	if same := p.Find(before, tokens); same != nil {
		p.Put(pg)
		return same
	}
	if n, ok := nameOf(before, tokens); ok {
		p.lastID++
		pg.id, pg.name = p.lastID, n
		p.index[n] = pg
	}
	return pg
}

// evict takes the cached page that was left first out of the index, or returns nil
// when there is none.
func (p *Pages) evict() *Page {
	pg := p.cached.newer
	if pg == &p.cached {
		return nil
	}
	pg.unlink()
	delete(p.index, pg.name)
	pg.id = 0
	return pg
}

// link makes pg the newest of the cached pages.
func (p *Pages) link(pg *Page) {
	pg.older, pg.newer = p.cached.older, &p.cached
	pg.older.newer, p.cached.older = pg, pg
}

func (pg *Page) unlink() {
	pg.older.newer, pg.newer.older = pg.newer, pg.older
	pg.older, pg.newer = nil, nil
}
