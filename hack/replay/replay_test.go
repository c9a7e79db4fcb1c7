package main

import (
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// TestDrawFollowsTheCounts: tokens choose k different experts, each as often as
// its share says, also where one would be chosen more than once a token.
func TestDrawFollowsTheCounts(t *testing.T) {
	const k, tokens = 4, 40000
	counts := []float64{100, 20, 10, 10, 5, 5, 0, 1}
	d := newDrawer(counts, k, rand.New(rand.NewPCG(1, 2)))
	got := make([]float64, len(counts))
	ids := make([]int32, k)
	for range tokens {
		d.token(ids)
		seen := map[int32]bool{}
		for _, e := range ids {
			if seen[e] {
				t.Fatalf("a token chose %v", ids)
			}
			seen[e] = true
			got[e]++
		}
	}
	sum := 0.0
	for e, p := range shares(counts, k) {
		sum += p
		if p > 1 || math.Abs(got[e]/tokens-p) > 4*math.Sqrt(p*(1-p)/tokens)+1e-9 {
			t.Errorf("expert %d was chosen by %.4f of the tokens, its share is %.4f", e, got[e]/tokens, p)
		}
	}
	if math.Abs(sum-k) > 1e-9 || counts[6] == 0 && got[6] > 0 {
		t.Errorf("shares add up to %v; an expert without counts was chosen %v times", sum, got[6])
	}
}

func TestSharesWithoutCounts(t *testing.T) {
	for _, p := range shares(make([]float64, 4), 2) {
		if p != 0 {
			t.Errorf("share %v of nothing", p)
		}
	}
}

func TestTexts(t *testing.T) {
	if _, err := readTexts(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("counts that are not there: %v", err)
	}
	made := madeUpTexts()
	if len(made) != 8 || len(made[0].loads) != 3 || len(made[0].loads[0]) != 64 {
		t.Fatalf("%d made-up texts", len(made))
	}
	if slices.Equal(made[0].loads[0], made[1].loads[0]) {
		t.Error("two made-up kinds of text are the same")
	}
	file := filepath.Join(t.TempDir(), "counts.json")
	for content, want := range map[string]int{
		`{"olmoe-b":{"0":[1],"7":[2],"15":[3]},"olmoe-a":{"0":[1],"7":[2],"15":[3]},"olmoe_top1-a":{"0":[1]}}`: 2,
		`{"olmoe-a":{"0":[1],"7":[2],"15":[3]}}`:                             0,
		`{"olmoe-a":{"0":[1],"7":[2]},"olmoe-b":{"0":[1],"7":[2],"15":[3]}}`: 0,
		`[]`: 0,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := readTexts(file)
		if len(list) != want || (err == nil) != (want > 0) {
			t.Errorf("%s: %d texts, %v", content, len(list), err)
		}
		if want > 0 && (list[0].name != "a" || list[1].name != "b") {
			t.Errorf("names %s, %s", list[0].name, list[1].name)
		}
	}
}

func TestMixture(t *testing.T) {
	m := mixture([]text{{"a", [][]float64{{1, 3}}}, {"b", [][]float64{{60, 20}}}})
	if m.loads[0][0] != 1 || m.loads[0][1] != 1 {
		t.Errorf("the mixture is %v: kinds of text must count alike", m.loads)
	}
}

// TestOrderMixesPairs: no shift is to the same text, and few come twice.
func TestOrderMixesPairs(t *testing.T) {
	const n = 8
	seen := map[[2]int]bool{}
	shifts := n*(n-1) - 1
	for i := range shifts {
		from, to := order(i, n), order(i+1, n)
		if from == to {
			t.Errorf("shift %d goes from %d to %d", i, from, to)
		}
		seen[[2]int{from, to}] = true
	}
	if len(seen) < shifts*2/3 {
		t.Errorf("%d different shifts of %d", len(seen), shifts)
	}
}

func TestRate(t *testing.T) {
	at := func(s float64) step { return step{ended: time.Unix(0, int64(s*1e9))} }
	if r := rate([]step{at(1), at(2), at(3)}, 100); r != 100 {
		t.Errorf("two steps of 100 tokens in 2 s: %v a second", r)
	}
	if r := rate([]step{at(1)}, 100); r != 0 {
		t.Errorf("one step: %v", r)
	}
}

func TestStats(t *testing.T) {
	list := []time.Duration{5, 1, 4, 2, 3}
	if median(list) != 3 || at(list, 100) != 5 || at(list, 0) != 1 || over(list, 3) != 2 {
		t.Errorf("median %d, most %d, least %d, above 3: %d", median(list), at(list, 100), at(list, 0), over(list, 3))
	}
	if s := spread([]float64{2, 1, 3}, "%.0f"); s != "2 (1 to 3)" {
		t.Error(s)
	}
}

// TestRotated: each node gives experts of every layer to the next and keeps as many
// as it had.
func TestRotated(t *testing.T) {
	p, err := planner.Plan(planner.Request{Layers: 2, Experts: 8, Replicas: 1, Epoch: 1,
		Nodes: []placement.Node{{Name: "a", Address: "a:1"}, {Name: "b", Address: "b:1"}, {Name: "c", Address: "c:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, hand := range []int{1, 2} {
		next := &placement.Placement{Epoch: 2, Layers: 2, Experts: 8, Nodes: rotated(p, hand)}
		if err := next.Validate(); err != nil {
			t.Fatal(err)
		}
		if n := len(placement.Diff(p, next, 0)); n != 6*hand {
			t.Errorf("%d experts moved, want %d of each node and layer", n, hand)
		}
	}
}

func TestLearnt(t *testing.T) {
	loads, least := learnt([][]float64{{1600, 0}, {10, 22}})
	if least != 32 || loads[0][0] != 1650 || loads[0][1] != 50 || loads[1][0] != 11 {
		t.Errorf("loads %v, least %v", loads, least)
	}
}

// TestAllTurns: the last row of the table is of all turns, what moved as well.
func TestAllTurns(t *testing.T) {
	var all sides
	for turn, moved := range []int{30, 12} {
		d := time.Duration(turn+1) * time.Millisecond
		all.add(false, []time.Duration{d, d}, 0)
		all.add(true, []time.Duration{3 * d}, moved)
	}
	want := "| all | 1.00 ms, 3.00 ms | 2.00 ms, 3.00 ms | 1.500 | 2.00 ms, 6.00 ms | 0 of 4, 2 of 2 | 42 |"
	if got := all.row("all"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
