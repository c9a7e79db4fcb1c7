package dispatch

import (
	"context"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// counter reads olmoe_dispatch_retries_total.
func counter(t *testing.T, d *Dispatcher, reason string) float64 {
	t.Helper()
	var m dto.Metric
	if err := d.metrics.retries.WithLabelValues(reason).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Counter.GetValue()
}

// roundTrips counts the answers that calls have read.
func roundTrips(d *Dispatcher) uint64 {
	var m dto.Metric
	_ = d.metrics.roundTrip.Write(&m)
	return m.Histogram.GetSampleCount()
}

func lateCount(d *Dispatcher) float64 {
	var m dto.Metric
	_ = d.metrics.late.Write(&m)
	return m.Counter.GetValue()
}

// What a node announces decides: an expert that it drops goes to the other owner
// at once, one that it has loaded is used.
func TestUpdatesChangeTheRoute(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	d := router(t, nil)
	a.held = without(a.held, 0, 3)
	d.Apply(place(small, 1, a))
	await(t, "all but one expert", func() bool { return d.Status().Covered == small.layers*small.experts-1 })
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 1, 2, 3).do(context.Background(), d) }()
	await(t, "the call waits for expert 3", func() bool { return d.metrics.waiting.Load() == 1 })
	a.change(func() { a.held.Set(0, 3) })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	a.change(func() { a.held = without(a.held, 1, 1) })
	await(t, "one expert is gone", func() bool { return d.Status().Covered == small.layers*small.experts-1 })
}

// The first placement is used whatever its number: 0 looks like none.
func TestAnEpochOfZeroIsServed(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	d := router(t, nil)
	d.Apply(place(small, 0, a))
	if err := newTask(small, 0, 1, 2, 3).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
}

// An announcement that was overtaken by a newer one changes nothing.
func TestOldAnnouncementsAreIgnored(t *testing.T) {
	d := router(t, nil)
	n := &node{d: d, name: "a", held: wire.NewBitmap(small.layers, small.experts)}
	say := func(hello bool, instance, sequence uint64, expert int) {
		t.Helper()
		a := &wire.Announce{Instance: instance, Sequence: sequence, Hidden: small.hidden, Name: "a", Fingerprint: "f00d",
			Held: wire.NewBitmap(small.layers, small.experts)}
		a.Held.Set(0, expert)
		if err := n.announced(a, hello); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		name               string
		hello              bool
		instance, sequence uint64
		expert             int
		want               int
	}{
		{"first", true, 1, 5, 0, 0},
		{"newer", false, 1, 6, 1, 1},
		{"older on another lane", false, 1, 5, 0, 1},
		{"older hello of the same process", true, 1, 4, 0, 1},
		{"a new process begins anew", true, 2, 1, 2, 2},
		{"the old process's last word", false, 1, 9, 3, 2},
	}
	for _, s := range steps {
		say(s.hello, s.instance, s.sequence, s.expert)
		if !n.held.Has(0, s.want) || n.held.Count() != 1 {
			t.Errorf("%s: expert %d is not the one held", s.name, s.want)
		}
	}
}

// A draining node gets no new request, answers what it has, and sees every lane
// half-closed: then it may end.
func TestDrainingNodeIsLetGo(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	release := make(chan struct{})
	a.fault = func(*fakeStream, *wire.In) bool { <-release; return false }
	d := router(t, nil)
	d.Apply(place(small, 1, a))
	slow := make(chan error, 1)
	go func() { slow <- newTask(small, 0, 1, 0).do(context.Background(), d) }()
	await(t, "a works", func() bool { return a.requests.Load() == 1 })
	d.Apply(place(small, 2, a, b))
	await(t, "b is ready", func() bool { s := d.Status(); return s.Nodes[1].Ready })
	a.change(func() { a.draining = true })
	await(t, "the router knows", func() bool { return d.Status().Nodes[0].Draining })
	if err := newTask(small, 0, 1, 0, 1, 2).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if a.requests.Load() != 1 {
		t.Error("a new request went to the draining node")
	}
	close(release)
	if err := <-slow; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	await(t, "all lanes are closed", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.open) == 0
	})
}

// A node whose address changes is found at the new one.
func TestAddressChange(t *testing.T) {
	old, moved := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "a", "127.0.0.1:0")
	d := router(t, nil)
	for i, n := range []*fakeNode{old, moved} {
		d.Apply(place(small, int64(i+1), n))
		if err := newTask(small, 0, 1, 0).do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
	if moved.requests.Load() != 1 {
		t.Errorf("%d requests at the new address, want 1", moved.requests.Load())
	}
	await(t, "the old address has no lane", func() bool {
		old.mu.Lock()
		defer old.mu.Unlock()
		return len(old.open) == 0
	})
}

// A node that has moved is found by the hint, though its name still leads to where
// nobody is; a hint that leads to another node is dropped.
func TestEndpointsAreTriedFirst(t *testing.T) {
	gone, moved := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "a", "127.0.0.1:0")
	other := startFake(t, small, "z", "127.0.0.1:0")
	d := router(t, nil)
	gone.server.Stop()
	d.Apply(place(small, 1, gone))
	d.Endpoints(map[string]string{"a": moved.address, "unknown": "127.0.0.1:1"})
	await(t, "found at its new place", func() bool { return ready(d) })
	if err := newTask(small, 0, 1, 0).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	moved.server.Stop()
	d.Endpoints(map[string]string{"a": other.address})
	await(t, "the wrong hint is dropped", func() bool { return d.nodes["a"].endpoint() == "" })
	startFake(t, small, "a", gone.address)
	await(t, "found by its name again", func() bool { return ready(d) })
}
