package model

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// newPages is NewPages where memory does not lack.
func newPages(t *Trunk, dtype tensor.DType, maxBytes int64) *Pages {
	p, err := NewPages(t, dtype, maxBytes)
	if err != nil {
		panic(err)
	}
	return p
}

// poolOf n pages of the smallest model there could be.
func poolOf(n int) *Pages {
	t := &Trunk{cfg: &checkpoint.Config{NumLayers: 1, NumKVHeads: 1, HeadDim: 1}, layers: make([]layer, 1)}
	return newPages(t, tensor.F32, int64(n*4*t.layerPage()))
}

// pageOf token ids that start with a.
func pageOf(a int) []int32 {
	ids := make([]int32, PageTokens)
	for i := range ids {
		ids[i] = int32(a + i)
	}
	return ids
}

// chain computes and keeps the pages of a sequence, one for each of tokens.
func chain(p *Pages, tokens ...[]int32) (pages []*Page) {
	var before *Page
	for _, ids := range tokens {
		before = p.Keep(p.Get(), before, ids)
		pages = append(pages, before)
	}
	return pages
}

func TestPagesAreShared(t *testing.T) {
	p := poolOf(8)
	a := chain(p, pageOf(1), pageOf(2), pageOf(3))
	b := chain(p, pageOf(1), pageOf(2), pageOf(4)) // computed a second time: given back
	if a[1] != b[1] || a[2] == b[2] || p.InUse() != 4 {
		t.Errorf("%d pages in use", p.InUse())
	}
	for name, c := range map[string]struct {
		before *Page
		tokens []int32
		want   *Page
	}{
		"at the start":         {nil, pageOf(1), a[0]},
		"after the first":      {a[0], pageOf(2), a[1]},
		"not at the start":     {nil, pageOf(2), nil},
		"after another":        {a[0], pageOf(3), nil},
		"other last token":     {a[0], append(pageOf(2)[:PageTokens-1], 99), nil},
		"after an unkept page": {p.Get(), pageOf(1), nil},
	} {
		if got := p.Find(c.before, c.tokens); got != c.want {
			t.Errorf("%s: found %p, want %p", name, got, c.want)
		}
	}
	if pg := p.Get(); p.Keep(pg, &Page{}, pageOf(1)) != pg || p.Find(nil, pageOf(1)) != a[0] {
		t.Error("a page after an unkept one is taken for a first one")
	}
}

func TestPagesWithoutUsersAreEvictedFromTheEnd(t *testing.T) {
	p := poolOf(4)
	a := chain(p, pageOf(1), pageOf(2), pageOf(3))
	p.Put(a...)
	b := chain(p, pageOf(1), pageOf(2)) // in use again
	if p.InUse() != 2 || p.Cached() != 1 {
		t.Fatalf("%d in use, %d cached", p.InUse(), p.Cached())
	}
	first, second := p.Get(), p.Get()
	if second != a[2] || p.Find(b[1], pageOf(3)) != nil {
		t.Error("the cached page was not handed out anew")
	}
	if p.Get() != nil {
		t.Error("a page in use was handed out")
	}
	p.Put(b...)
	p.Put(first, second)
	if p.InUse() != 0 || p.Cached() != 2 {
		t.Errorf("%d in use, %d cached", p.InUse(), p.Cached())
	}
}

// Sequences come and go at random; what is found is what was kept, the counts are
// those of a naive account, and every page in the index can be reached.
func TestRandomSharing(t *testing.T) {
	rng := rand.New(rand.NewPCG(91, 1))
	p := poolOf(20)
	holds := map[*Page]string{} // the tokens up to each page's end
	var sequences [][]*Page
	for range 20000 {
		if len(sequences) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(sequences))
			p.Put(sequences[i]...)
			sequences = slices.Delete(sequences, i, i+1)
		} else if pages := randomChain(t, p, rng, holds); pages != nil {
			sequences = append(sequences, pages)
		}
		used := map[*Page]int{}
		for _, pages := range sequences {
			for _, pg := range pages {
				used[pg]++
			}
		}
		if p.InUse() != len(used) || p.InUse()+p.Cached()+len(p.free) != p.made || len(p.index) > p.Total() {
			t.Fatalf("%d in use, %d cached, %d free of %d; %d really in use", p.InUse(), p.Cached(), len(p.free), p.made, len(used))
		}
		reachable(t, p)
	}
}

// randomChain walks a sequence of a few kinds of pages through Find, Get and Keep;
// nil if the pool was too small.
func randomChain(t *testing.T, p *Pages, rng *rand.Rand, holds map[*Page]string) (pages []*Page) {
	t.Helper()
	var before *Page
	text := ""
	for range 1 + rng.IntN(6) {
		kind := rng.IntN(3)
		text += string(rune('a' + kind))
		pg := p.Find(before, pageOf(kind))
		if pg != nil && holds[pg] != text {
			t.Fatalf("found %q for %q", holds[pg], text)
		}
		if pg == nil {
			if pg = p.Get(); pg == nil {
				p.Put(pages...)
				return nil
			}
			holds[pg] = text
			pg = p.Keep(pg, before, pageOf(kind))
		}
		pages, before = append(pages, pg), pg
	}
	return pages
}

func reachable(t *testing.T, p *Pages) {
	t.Helper()
	ids := map[uint64]bool{0: true}
	for _, pg := range p.index {
		ids[pg.id] = true
	}
	for n := range p.index {
		if !ids[n.before] {
			t.Fatal("a page is cached whose predecessor was evicted")
		}
	}
}

func TestSharingDoesNotAllocate(t *testing.T) {
	p := poolOf(8)
	var ids [4][]int32
	for i := range ids {
		ids[i] = pageOf(100 * i)
	}
	var pages [4]*Page
	n := 0
	allocs := testing.AllocsPerRun(1000, func() {
		n++ // always other pages, so that old ones are evicted
		var before *Page
		for i := range ids {
			ids[i][0] = int32(n)
			if pages[i] = p.Find(before, ids[i]); pages[i] == nil {
				pages[i] = p.Keep(p.Get(), before, ids[i])
			}
			before = pages[i]
		}
		p.Put(pages[:]...)
	})
	if allocs != 0 {
		t.Errorf("%g allocations", allocs)
	}
}
