package model

import "sync/atomic"

// PageTokens is how many positions one KV page holds: large enough that the
// page walk costs nothing beside the arithmetic, small enough that a sequence
// wastes at most 15 positions.
const PageTokens = 16

// Page holds keys and values of PageTokens consecutive positions in all layers:
// per layer K [kv heads, PageTokens, head dim], then V likewise, float32.
type Page struct{ data []float32 }

// Pages is a bounded pool of KV pages. Memory is taken when a page is first
// used and kept for reuse. Not safe for concurrent use: the engine's loop owns it.
type Pages struct {
	pageFloats int
	free       []*Page
	made, max  int
	inUse      atomic.Int64
}

// NewPages makes a pool of at most maxBytes (and at least one page).
func NewPages(t *Trunk, maxBytes int64) *Pages {
	n := t.layerPage() * len(t.layers)
	return &Pages{pageFloats: n, max: max(1, int(maxBytes/int64(4*n)))}
}

// Total is the pool's capacity in pages, InUse the pages handed out. Both may be
// read from any goroutine.
func (p *Pages) Total() int { return p.max }

// InUse is the number of pages handed out.
func (p *Pages) InUse() int { return int(p.inUse.Load()) }

// Get hands out a page, or nil when the pool is exhausted.
func (p *Pages) Get() *Page {
	if n := len(p.free); n > 0 {
		pg := p.free[n-1]
		p.free = p.free[:n-1]
		p.inUse.Add(1)
		return pg
	}
	if p.made == p.max {
		return nil
	}
	p.made++
	p.inUse.Add(1)
	return &Page{data: make([]float32, p.pageFloats)}
}

// Put takes pages back.
func (p *Pages) Put(pages ...*Page) {
	p.free = append(p.free, pages...)
	p.inUse.Add(-int64(len(pages)))
}

// Cache is one sequence's KV cache: Pages[i] holds positions [16i, 16i+16).
type Cache struct{ Pages []*Page }

// PagesFor is the number of pages that n positions need.
func PagesFor(n int) int { return (n + PageTokens - 1) / PageTokens }
