package model

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/olmoe-serving/olmoe-operator/internal/mem"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// PageTokens is how many positions one KV page holds: large enough that the
// page walk costs nothing beside the arithmetic, small enough that a sequence
// wastes at most 15 positions.
const PageTokens = 16

// Page holds keys and values of PageTokens consecutive positions in all layers, in
// the pool's type: per layer K [kv heads, head dim, PageTokens], then V [kv heads,
// PageTokens, head dim]. Keys lie so that PageTokens scores are summed side by side.
type Page struct {
	dtype tensor.DType
	data  []byte
	users int // sequences that hold it

	id           uint64 // while it is in the index: never given to another page
	name         prefix // likewise
	older, newer *Page  // neighbours in the list of cached pages
}

// Pages is a bounded pool of KV pages. Memory is taken when a page is first
// used and kept for reuse until the process ends: addresses for all of it are taken at
// once, outside of Go's heap. A page is free, in use by sequences, or cached: computed,
// in the index, and without users. Cached pages are handed out anew, the one that
// was left first, when no other is left. Not safe for concurrent use: the engine's
// loop owns it.
type Pages struct {
	dtype     tensor.DType
	pageBytes int
	memory    []byte // of all pages
	free      []*Page
	made, max int
	inUse     atomic.Int64
	index     map[prefix]*Page // at most max entries
	cached    Page             // the list's ends: newer is the oldest cached page
	lastID    uint64
}

// NewPages makes a pool of at most maxBytes (and at least one page) that stores
// keys and values as dtype, BF16 or F32.
func NewPages(t *Trunk, dtype tensor.DType, maxBytes int64) (*Pages, error) {
	n := PageTokens * KVBytes(t.cfg, dtype)
	p := &Pages{dtype: dtype, pageBytes: n, max: max(1, int(maxBytes/int64(n))), index: map[prefix]*Page{}}
	p.cached.older, p.cached.newer = &p.cached, &p.cached
	var err error
	if p.memory, err = mem.Allocate(p.max * n); err != nil {
		return nil, fmt.Errorf("KV cache of %d pages: %w", p.max, err)
	}
	return p, nil
}

// Total is the pool's capacity in pages. Like InUse it may be called on any goroutine.
func (p *Pages) Total() int { return p.max }

// InUse is the number of pages that sequences hold, each counted once.
func (p *Pages) InUse() int { return int(p.inUse.Load()) }

// Cached is the number of pages that nobody holds and Find may still find.
func (p *Pages) Cached() int { return p.made - len(p.free) - p.InUse() }

// Get hands out a page of the caller's own, or nil when all are in use.
func (p *Pages) Get() *Page {
	pg := p.take()
	if pg != nil {
		pg.users = 1
		p.inUse.Add(1)
	}
	return pg
}

func (p *Pages) take() *Page {
	if n := len(p.free); n > 0 {
		pg := p.free[n-1]
		p.free = p.free[:n-1]
		return pg
	}
	if p.made < p.max {
		at := p.made * p.pageBytes
		p.made++
		return &Page{dtype: p.dtype, data: p.memory[at : at+p.pageBytes : at+p.pageBytes]}
	}
	return p.evict()
}

// Put takes back a sequence's pages, given in the order of their positions. The
// last is left first, so that a page is always evicted before the one it follows:
// every page in the index can be reached.
func (p *Pages) Put(pages ...*Page) {
	for _, pg := range slices.Backward(pages) {
		pg.users--
		switch {
		case pg.users > 0:
			continue
		case pg.id != 0:
			p.link(pg)
		default:
			p.free = append(p.free, pg)
		}
		p.inUse.Add(-1)
	}
}

// Cache is one sequence's KV cache: Pages[i] holds positions [16i, 16i+16).
type Cache struct{ Pages []*Page }

// PagesFor is the number of pages that n positions need.
func PagesFor(n int) int { return (n + PageTokens - 1) / PageTokens }
