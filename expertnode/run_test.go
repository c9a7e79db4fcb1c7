package expertnode

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

var errWrong = errors.New("an answer differs from the reference")

// Invariant 1: the answer does not depend on the number of nodes, the placement
// or replicas.
func TestAnswersDoNotDependOnPlacement(t *testing.T) {
	dir := sharedModel(t)
	ref := newReference(t, dir)
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		nodes, replicas := 1+rng.IntN(5), 1+rng.IntN(3)
		t.Run(fmt.Sprintf("seed %d: %d nodes, %d replicas", seed, nodes, replicas), func(t *testing.T) {
			p := newPool(t, dir, nodes)
			d := p.router(nil)
			doc := &placement.Document{Revision: 1, Serving: p.place(1, replicas, rng)}
			p.publish(doc)
			d.Apply(doc)
			for range 8 {
				if err := ref.work(t, rng, 1+rng.IntN(40), 1+rng.IntN(8)).do(context.Background(), d); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// traffic runs calls in several goroutines until stopped; it returns how many
// calls were answered right.
func traffic(t *testing.T, d *dispatch.Dispatcher, works []*work) (stop func() int64) {
	t.Helper()
	var calls atomic.Int64
	var wg sync.WaitGroup
	done := make(chan struct{})
	for g := range 3 {
		wg.Go(func() {
			for i := g; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if err := works[i%len(works)].do(context.Background(), d); err != nil {
					t.Errorf("call %d: %v", i, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	return func() int64 { close(done); wg.Wait(); return calls.Load() }
}

// Make before break: while traffic runs, the placement changes again and again;
// no call fails or changes, and nodes hold in the end only what the last one says.
func TestEpochsSwitchUnderTraffic(t *testing.T) {
	dir := sharedModel(t)
	rng := rand.New(rand.NewPCG(7, 7))
	p := newPool(t, dir, 3)
	d := p.router(nil)
	serving := p.place(1, 1, rng)
	revision := int64(1)
	apply := func(doc *placement.Document) {
		doc.Revision = revision
		revision++
		p.publish(doc)
		d.Apply(doc)
	}
	apply(&placement.Document{Serving: serving})
	ref := newReference(t, dir)
	var works []*work
	for range 10 {
		works = append(works, ref.work(t, rng, 1+rng.IntN(16), 4))
	}
	stop := traffic(t, d, works)
	for epoch := int64(2); epoch <= 4; epoch++ {
		target := p.place(epoch, 1+rng.IntN(2), rng)
		apply(&placement.Document{Serving: serving, Target: target})
		await(t, fmt.Sprintf("epoch %d serves", epoch), func() bool { return d.Status().ServingEpoch == epoch })
		serving = target
		apply(&placement.Document{Serving: serving, Target: serving})
	}
	calls := stop()
	t.Logf("%d calls while three epochs passed", calls)
	want := 0
	for _, l := range serving.Nodes[0].Experts {
		want += len(l)
	}
	await(t, "the first node holds only its share", func() bool { return d.Status().Nodes[0].Held == want })
}

// A node is drained and comes back on its address, under traffic, each in turn:
// what a rolling restart does. No call fails.
func TestRollingRestartLosesNothing(t *testing.T) {
	dir := sharedModel(t)
	for _, replicas := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(8, uint64(replicas)))
			p := newPool(t, dir, 2)
			d := p.router(nil)
			doc := &placement.Document{Revision: 1, Serving: p.place(1, replicas, rng)}
			p.publish(doc)
			d.Apply(doc)
			ref := newReference(t, dir)
			works := []*work{ref.work(t, rng, 1, 4), ref.work(t, rng, 9, 4), ref.work(t, rng, 30, 4)}
			stop := traffic(t, d, works)
			for i, old := range p.nodes {
				time.Sleep(100 * time.Millisecond)
				begun := time.Now()
				if err := old.stop(t); err != nil {
					t.Fatalf("drain of %s: %v", old.name, err)
				}
				t.Logf("%s drained in %s", old.name, time.Since(begun))
				p.nodes[i] = start(t, dir, old.name, p.file, old.grpc)
				await(t, "covered again", func() bool { return ready(d) })
			}
			t.Logf("%d calls", stop())
		})
	}
}

func ready(d *dispatch.Dispatcher) bool { s := d.Status(); return s.Ready() }
