package dispatch

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// takes makes a router believe that requests take so long that they are late after that.
func (d *Dispatcher) takes(late time.Duration) {
	for i := range d.pace.classes {
		d.pace.classes[i].late.Store(int64(late))
	}
}

// Two nodes are late at once, one of which is frozen: what only the other one can give
// instead is asked of that one, though it is late with something else.
func TestALateNodeIsAskedForWhatItDoesNotOwe(t *testing.T) {
	for _, tt := range []struct {
		name          string
		frozen, other int // experts: of the frozen node and the slow one, of the slow one and an idle one
	}{
		{"the frozen one is found first", 0, 1},
		{"the slow one is found first", 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frozen, slow, idle := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0"), startFake(t, small, "c", "127.0.0.1:0")
			release, hedged := make(chan struct{}), make(chan struct{})
			t.Cleanup(func() { close(release) })
			frozen.records(release, 1)
			slow.records(hedged, 1)
			once := sync.OnceFunc(func() { close(hedged) })
			idle.breaks(func(*fakeStream, *wire.In) bool { once(); return false })
			d := router(t, nil)
			d.Apply(&placement.Document{Revision: 1, Serving: placed(small, 1, func(_, e int) []*fakeNode {
				if e == tt.frozen {
					return []*fakeNode{frozen, slow}
				}
				return []*fakeNode{slow, idle}
			}, frozen, slow, idle)})
			await(t, "all connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready && s.Nodes[2].Ready })
			d.takes(paceFloor)
			begun := time.Now()
			if err := newTask(small, 0, 1, 0, 1).do(context.Background(), d); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > d.opts.RequestTimeout/2 {
				t.Errorf("took %s where answers are late after %s", took, paceFloor)
			}
			if a, b, c := frozen.requests.Load(), slow.requests.Load(), idle.requests.Load(); a != 1 || b != 2 || c != 1 {
				t.Errorf("%d, %d and %d requests, want one to each and the late one's to the slow one", a, b, c)
			}
		})
	}
}

// A call that waits for an owner of some experts does not leave others to a frozen node
// meanwhile.
func TestACallThatWaitsHedgesToo(t *testing.T) {
	frozen, other := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	frozen.held = without(frozen.held, 0, 1)
	other.held = without(other.held, 0, 1)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	frozen.records(release, 1)
	d := router(t, nil)
	d.Apply(place(small, 1, frozen, other))
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
	d.takes(paceFloor)
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 1, 0, 1).do(context.Background(), d) }()
	await(t, "the other one has answered", func() bool { return roundTrips(d) == 1 })
	other.change(func() { other.held.Set(0, 1) })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
