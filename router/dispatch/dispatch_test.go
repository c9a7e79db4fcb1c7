package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// router makes a dispatcher for small.
func router(t testing.TB, change func(*Options)) *Dispatcher {
	t.Helper()
	o := Options{Name: "r", Model: "f00d", Layers: small.layers, Experts: small.experts, Hidden: small.hidden,
		MaxWait: patience, Log: logr.Discard()}
	if change != nil {
		change(&o)
	}
	d := New(o)
	t.Cleanup(d.Close)
	return d
}

func ready(d *Dispatcher) bool { s := d.Status(); return s.Ready() }

// random makes a call of up to 20 rows with k distinct experts each.
func random(rng *rand.Rand) *task {
	rows, k := 1+rng.IntN(20), 1+rng.IntN(small.experts)
	var ids []int32
	for range rows {
		for _, e := range rng.Perm(small.experts)[:k] {
			ids = append(ids, int32(e))
		}
	}
	return newTask(small, rng.IntN(small.layers), rows, ids...)
}

// Invariant 1, seen from the router: whatever the placement, each pair's row comes
// back in its place; and no row travels to a node twice in one call.
func TestEveryPairComesBackInItsPlace(t *testing.T) {
	nodes := []*fakeNode{startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0"), startFake(t, small, "c", "127.0.0.1:0")}
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 2))
		d := router(t, nil)
		owners := map[[2]int][]*fakeNode{}
		for l := range small.layers {
			for e := range small.experts {
				perm := rng.Perm(3)
				for _, i := range perm[:1+rng.IntN(3)] {
					owners[[2]int{l, e}] = append(owners[[2]int{l, e}], nodes[i])
				}
			}
		}
		p := placed(small, 1, func(l, e int) []*fakeNode { return owners[[2]int{l, e}] }, nodes...)
		d.Apply(&placement.Document{Revision: 1, Serving: p})
		for range 20 {
			w := random(rng)
			if err := w.do(context.Background(), d); err != nil {
				t.Fatalf("seed %d, layer %d, ids %v: %v", seed, w.layer, w.ids, err)
			}
		}
		d.Close()
	}
}

func TestARowTravelsOnceToANode(t *testing.T) {
	n := startFake(t, small, "a", "127.0.0.1:0")
	d := router(t, nil)
	d.Apply(place(small, 1, n))
	if err := newTask(small, 0, 2, 0, 1, 2, 3, 4, 5, 6, 7).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if requests, rows := n.requests.Load(), n.rows.Load(); requests != 1 || rows != 2 {
		t.Errorf("2 rows of 4 experts went in %d requests of %d rows in all, want 1 and 2", requests, rows)
	}
}

func TestALargeCallIsSplit(t *testing.T) {
	n := startFake(t, small, "a", "127.0.0.1:0")
	d := router(t, nil)
	d.Apply(place(small, 1, n))
	rows := wire.MaxRows*2 + 5
	ids := make([]int32, rows*2)
	for i := range ids {
		ids[i] = int32(i % small.experts)
	}
	if err := newTask(small, 1, rows, ids...).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if got := n.requests.Load(); got != 3 {
		t.Errorf("%d requests, want 3", got)
	}
}

// Two owners of everything share concurrent calls.
func TestReplicasShareTheLoad(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	d := router(t, nil)
	d.Apply(place(small, 1, a, b))
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
	if err := newTask(small, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if a.requests.Load() != 1 || b.requests.Load() != 1 {
		t.Errorf("8 experts went to the owners in %d and %d requests, want 1 each", a.requests.Load(), b.requests.Load())
	}
}

// Where experts have owners to choose from the heaviest choose first, so that no
// node gets two heavy ones by chance; those with one owner have been counted then.
func TestHeavyExpertsChooseFirst(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	d := router(t, nil)
	d.Apply(&placement.Document{Revision: 1, Serving: placed(small, 1, func(_, e int) []*fakeNode {
		if e == 7 {
			return []*fakeNode{a}
		}
		return []*fakeNode{a, b}
	}, a, b)})
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
	// Six experts of a pair each, then expert 0 with four, and 7 with two.
	if err := newTask(small, 0, 12, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 7, 7).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if a.rows.Load() != 6 || b.rows.Load() != 6 {
		t.Errorf("12 pairs went to the owners in %d and %d, want 6 each", a.rows.Load(), b.rows.Load())
	}
}

func TestConcurrentCalls(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	d := router(t, nil)
	d.Apply(place(small, 1, a, b))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 3))
			for range 50 {
				if err := random(rng).do(context.Background(), d); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, s := range d.Status().Nodes {
		if s.InFlight != 0 {
			t.Errorf("node %s: %d pairs in flight after the last call", s.Name, s.InFlight)
		}
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	d := router(t, nil)
	row, out := make([]float32, small.hidden), make([]float32, small.hidden)
	tests := []struct {
		name   string
		layer  int
		x, out []float32
		rows   int
		ids    []int32
		want   string
	}{
		{"layer", 3, row, out, 1, []int32{0}, "layer 3 of 3"},
		{"negative layer", -1, row, out, 1, []int32{0}, "layer -1"},
		{"expert", 0, row, out, 1, []int32{8}, "expert 8 of 8"},
		{"negative expert", 0, row, out, 1, []int32{-1}, "expert -1"},
		{"short input", 0, row[:3], out, 1, []int32{0}, "with 3 elements"},
		{"short output", 0, row, out[:3], 1, []int32{0}, "room for 3"},
		{"ragged experts", 0, slices.Concat(row, row), out, 2, []int32{0}, "1 experts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := d.Do(context.Background(), tt.layer, tt.x, tt.rows, tt.ids, tt.out)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if err := d.Do(context.Background(), 0, nil, 0, nil, nil); err != nil {
		t.Errorf("no rows: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	n := startFake(t, small, "a", "127.0.0.1:0")
	registry := prometheus.NewRegistry()
	d := router(t, func(o *Options) { o.Metrics = registry })
	d.Apply(place(small, 4, n))
	for range 3 {
		if err := newTask(small, 0, 1, 0).do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("olmoe_dispatch_experts_covered %d\n", small.layers*small.experts)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(
		"# HELP olmoe_dispatch_experts_covered (layer, expert) pairs with a ready owner.\n# TYPE olmoe_dispatch_experts_covered gauge\n"+want),
		"olmoe_dispatch_experts_covered"); err != nil {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "olmoe_dispatch_round_trip_seconds" && f.Metric[0].GetHistogram().GetSampleCount() != 3 {
			t.Errorf("%d round trips counted, want 3", f.Metric[0].GetHistogram().GetSampleCount())
		}
	}
}

func TestCloseEndsWaitingCalls(t *testing.T) {
	d := router(t, nil)
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 1, 0).do(context.Background(), d) }()
	await(t, "the call waits", func() bool { return d.metrics.waiting.Load() == 1 })
	d.Close()
	select {
	case err := <-done:
		if !errors.Is(err, ErrClosed) {
			t.Errorf("error %v, want %v", err, ErrClosed)
		}
	case <-time.After(patience):
		t.Error("the call goes on after Close")
	}
}
