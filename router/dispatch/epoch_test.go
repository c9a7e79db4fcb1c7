package dispatch

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// Invariant 3: epochs change under load with no error, and the epoch reported as
// serving is the oldest that a call still uses.
func TestEpochsChangeUnderLoad(t *testing.T) {
	nodes := []*fakeNode{startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0"), startFake(t, small, "c", "127.0.0.1:0")}
	d := router(t, nil)
	rng := rand.New(rand.NewPCG(1, 9))
	somewhere := func(epoch int64) *placement.Placement {
		owner := make([]int, small.layers*small.experts)
		for i := range owner {
			owner[i] = rng.IntN(3)
		}
		return placed(small, epoch, func(l, e int) []*fakeNode { return []*fakeNode{nodes[owner[l*small.experts+e]]} }, nodes...)
	}
	serving := somewhere(1)
	d.Apply(&placement.Document{Revision: 1, Serving: serving})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 4))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := random(rng).do(context.Background(), d); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for epoch := int64(2); epoch <= 20; epoch++ {
		target := somewhere(epoch)
		d.Apply(&placement.Document{Revision: 2 * epoch, Serving: serving, Target: target})
		await(t, "the epoch serves", func() bool { return d.Status().ServingEpoch == epoch })
		d.Apply(&placement.Document{Revision: 2*epoch + 1, Serving: target, Target: target})
		serving = target
	}
	close(stop)
	wg.Wait()
}

func TestServingEpochWaitsForCalls(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	release := make(chan struct{})
	a.fault = func(*fakeStream, *wire.In) bool { <-release; return false }
	d := router(t, nil)
	d.Apply(place(small, 1, a))
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 1, 0).do(context.Background(), d) }()
	await(t, "a works", func() bool { return a.requests.Load() == 1 })
	one, two := place(small, 1, a).Serving, place(small, 2, a).Serving
	d.Apply(&placement.Document{Revision: 2, Serving: one, Target: two})
	if s := d.Status(); s.ServingEpoch != 1 || s.ReadyEpoch != 2 {
		t.Errorf("serving epoch %d, ready %d while a call uses 1; want 1 and 2", s.ServingEpoch, s.ReadyEpoch)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := d.Status(); s.ServingEpoch != 2 {
		t.Errorf("serving epoch %d after the call, want 2", s.ServingEpoch)
	}
}

// A node may still hold what a target gives it and be dropping it, because it has
// read an older document: it counts once it says that it is ready for the target.
func TestATargetWaitsForNodesThatKnowIt(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	a.ready = 1
	d := router(t, nil)
	d.Apply(place(small, 1, a))
	await(t, "covered", func() bool { return ready(d) })
	one, two := place(small, 1, a).Serving, place(small, 2, a).Serving
	d.Apply(&placement.Document{Revision: 2, Serving: one, Target: two})
	if s := d.Status(); s.ServingEpoch != 1 || s.ReadyEpoch != 1 {
		t.Errorf("serving epoch %d, ready %d before the node knows of the target; want 1 and 1", s.ServingEpoch, s.ReadyEpoch)
	}
	a.change(func() { a.ready = 2 })
	await(t, "the target serves", func() bool { return d.Status().ServingEpoch == 2 })
}

// The node's owner under the old epoch disappears for good: a waiting call starts
// over under the new one.
func TestAWaitingCallFollowsTheEpoch(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	split := func(_, e int) []*fakeNode { return []*fakeNode{[]*fakeNode{a, b}[e%2]} }
	d := router(t, nil)
	d.Apply(&placement.Document{Revision: 1, Serving: placed(small, 1, split, a, b)})
	await(t, "covered", func() bool { return ready(d) })
	a.server.Stop()
	await(t, "a is gone", func() bool { return !ready(d) })
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 2, 0, 1, 2, 3).do(context.Background(), d) }()
	await(t, "the call waits", func() bool { return d.metrics.waiting.Load() == 1 })
	d.Apply(place(small, 2, b))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := d.Status(); s.ServingEpoch != 2 || len(s.Nodes) != 1 {
		t.Errorf("serving epoch %d with %d nodes, want 2 with 1", s.ServingEpoch, len(s.Nodes))
	}
}

// asked is a request as a node sees it.
type asked struct {
	epoch int64
	pairs int
}

// records makes a node keep what it is asked; the requests whose numbers hold lists wait
// for release.
func (n *fakeNode) records(release <-chan struct{}, hold ...int) (list func() []asked) {
	var mu sync.Mutex
	var all []asked
	n.breaks(func(_ *fakeStream, in *wire.In) bool {
		mu.Lock()
		all = append(all, asked{in.Epoch, in.Pairs})
		held := slices.Contains(hold, len(all))
		mu.Unlock()
		if held {
			<-release
		}
		return false
	})
	return func() []asked {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// Invariant 3: a call that has answers of one epoch, and owes others under it, asks for
// everything again when it goes on under the next.
func TestACallDoesNotMixEpochs(t *testing.T) {
	gone, quick, slow := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0"), startFake(t, small, "c", "127.0.0.1:0")
	release := make(chan struct{})
	atQuick, atSlow := quick.records(nil), slow.records(release, 1)
	nodes := []*fakeNode{gone, quick, slow}
	d := router(t, nil)
	d.Apply(&placement.Document{Revision: 1, Serving: placed(small, 1, func(_, e int) []*fakeNode { return nodes[e%3 : e%3+1] }, nodes...)})
	await(t, "covered", func() bool { return ready(d) })
	gone.server.Stop()
	await(t, "a is gone", func() bool { return !ready(d) })
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 2, 0, 1, 2, 3, 4, 5).do(context.Background(), d) }()
	await(t, "b has answered, c works, the rest waits", func() bool {
		return d.metrics.waiting.Load() == 1 && roundTrips(d) == 1 && len(atSlow()) == 1
	})
	d.Apply(place(small, 2, quick))
	await(t, "the call goes on", func() bool { return len(atQuick()) == 2 })
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, want := atQuick(), []asked{{1, 2}, {2, 6}}; !slices.Equal(got, want) {
		t.Errorf("b was asked (epoch, pairs) %v, want %v", got, want)
	}
	if got, want := atSlow(), []asked{{1, 2}}; !slices.Equal(got, want) {
		t.Errorf("c was asked (epoch, pairs) %v, want %v", got, want)
	}
}
