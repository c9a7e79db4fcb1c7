package load

import (
	"math/rand/v2"
	"testing"
	"time"
)

// drawn counts n draws by share, which adds up to 1.
func drawn(rnd *rand.Rand, share []float64, n int) []float64 {
	counts := make([]float64, len(share))
	for range n {
		u, e := rnd.Float64(), 0
		for ; e < len(share)-1 && u > share[e]; e++ {
			u -= share[e]
		}
		counts[e]++
	}
	return counts
}

// kinds of traffic on 64 experts: the same, or every fifth row elsewhere.
func kinds() (a, b []float64) {
	for e := range 64 {
		a, b = append(a, 1.0/64), append(b, 1.0/64)
		if e < 32 {
			b[e] += 0.4 / 64
		} else {
			b[e] -= 0.4 / 64
		}
	}
	return a, b
}

func TestAlike(t *testing.T) {
	a, b := kinds()
	rnd := rand.New(rand.NewPCG(1, 2))
	stretch := func(share []float64, n int) [][]float64 {
		return [][]float64{drawn(rnd, share, n), drawn(rnd, share, n), drawn(rnd, share, n)}
	}
	const many = 20000
	nothing := [][]float64{make([]float64, 64), make([]float64, 64), make([]float64, 64)}
	for _, c := range []struct {
		name string
		list [][][]float64
		want int
	}{
		{"nothing but one", [][][]float64{stretch(a, many)}, 1},
		{"steady", [][][]float64{stretch(a, many), stretch(a, many), stretch(a, many), stretch(a, many)}, 4},
		{"steady, few rows", [][][]float64{stretch(a, 200), stretch(a, 200), stretch(a, 200), stretch(a, 200)}, 4},
		{"just changed", [][][]float64{stretch(b, many), stretch(a, many), stretch(a, many), stretch(a, many)}, 1},
		{"changed two ago", [][][]float64{stretch(b, many), stretch(b, many), stretch(a, many), stretch(a, many)}, 2},
		{"to and fro", [][][]float64{stretch(b, many), stretch(a, many), stretch(b, many), stretch(a, many)}, 1},
		{"no traffic before", [][][]float64{stretch(a, many), nothing, stretch(a, many)}, 3},
	} {
		if n := alike(c.list); n != c.want {
			t.Errorf("%s: %d stretches of one kind, want %d", c.name, n, c.want)
		}
	}
}

// TestAlikeByChance: what chance does makes no change, however few rows there are.
func TestAlikeByChance(t *testing.T) {
	a, _ := kinds()
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{20, 100, 800, 5000} {
		for range 40 {
			x, y := [][]float64{drawn(rnd, a, n)}, [][]float64{drawn(rnd, a, n)}
			if alike([][][]float64{x, y}) != 2 {
				t.Errorf("%d rows of the same traffic twice count as a change", n)
			}
		}
	}
}

// TestKindFollowsAShift: a change somewhere between two looks is waited for, then
// the planner gets what came after it, and later the whole window.
func TestKindFollowsAShift(t *testing.T) {
	a, b := kinds()
	rnd := rand.New(rand.NewPCG(5, 6))
	for mixed := range 11 { // tenths of a look that are of before
		var k Kind
		var got []int
		for look := range 10 {
			share := make([]float64, 64)
			for e := range share {
				before := map[bool]float64{true: 1, false: 0}[look < 4]
				if look == 4 {
					before = float64(mixed) / 10
				}
				share[e] = before*a[e] + (1-before)*b[e]
			}
			got = append(got, k.Look([][]float64{drawn(rnd, share, 20000)}))
		}
		for look, n := range got {
			if want := whatMayBe(look); n < want.least || n > want.most {
				t.Errorf("%d tenths of before: looks %v", mixed, got)
				break
			}
		}
	}
}

// whatMayBe are the answers that are right at each look: the change is in look 4.
func whatMayBe(look int) (r struct{ least, most int }) {
	r.least, r.most = LooksPerWindow, LooksPerWindow
	switch {
	case look == 4, look == 5: // not seen yet, or waited for
		r.least = 0
	case look == 6: // never a look of before
		r.least, r.most = 1, 2
	case look == 7:
		r.least = 2
	}
	return r
}

// TestKindWaitsNotForEver: traffic that changes at every look is planned for all
// the same, once in a window and a look.
func TestKindWaitsNotForEver(t *testing.T) {
	a, b := kinds()
	rnd := rand.New(rand.NewPCG(7, 8))
	var k Kind
	k.Look([][]float64{drawn(rnd, a, 10000)})
	for look := range 3 * (LooksPerWindow + 1) {
		share := b
		if look%2 == 1 {
			share = a
		}
		want := 0
		if look%(LooksPerWindow+1) == LooksPerWindow {
			want = LooksPerWindow
		}
		if n := k.Look([][]float64{drawn(rnd, share, 10000)}); n != want {
			t.Errorf("look %d: %d, want %d", look, n, want)
		}
	}
	k.Forget()
	if n := k.Look([][]float64{drawn(rnd, a, 10000)}); n != LooksPerWindow {
		t.Errorf("the first look: %d", n)
	}
}

// TestKindOfAnotherModel: nodes may answer with another model's shape, all at once; that is a
// change as any other, and no panic.
func TestKindOfAnotherModel(t *testing.T) {
	for name, other := range map[string][][]float64{
		"more layers": {{1000, 0}, {1000, 0}}, "more experts": {{1000, 0, 0}}, "fewer experts": {{1000}},
	} {
		var k Kind
		k.Look([][]float64{{1000, 0}})
		if n := k.Look(other); n != 0 {
			t.Errorf("%s: %d looks", name, n)
		}
	}
}

func TestWithin(t *testing.T) {
	node := func(seconds float64, rows, reads uint64) *Node {
		n := &Node{Seconds: seconds, Counts: *NewCounts(1, 1)}
		n.Rows[0][0], n.Activations[0][0] = rows, reads
		return n
	}
	nodes := []*Node{node(20, 200, 40), node(10, 100, 20), node(5, 50, 10)}
	if r, a := RowsWithin(nodes, 10*time.Second), ActivationsWithin(nodes, 10*time.Second); r[0][0] != 250 || a[0][0] != 50 {
		t.Errorf("rows %v, activations %v of 10 s", r, a)
	}
	if RowsWithin(nil, time.Second) != nil {
		t.Error("rows without nodes")
	}
}
