package pool

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// counted is a fleet that counts the questions for the load, by pod.
type counted struct {
	fleet.Fleet
	mu    sync.Mutex
	asked map[string]int
}

func (c *counted) Load(ctx context.Context, pod fleet.Pod, window time.Duration, words int) (*load.Node, error) {
	c.mu.Lock()
	c.asked[pod.Name]++
	c.mu.Unlock()
	return c.Fleet.Load(ctx, pod, window, words)
}

// TestALookWaitsForNobodyTwice: who has just said nothing is not asked for its load, and
// where a node of the placement tells none, the others are not asked for parts of it.
func TestALookWaitsForNobodyTwice(t *testing.T) {
	for _, c := range []struct {
		name  string
		knows bool // the round has found that the node hangs
		took  time.Duration
		asked map[string]int
	}{
		{"it said nothing", true, 0, map[string]int{"demo-experts-0": 1, "demo-experts-2": 1}},
		{"it hangs since", false, fleet.Timeout, map[string]int{"demo-experts-0": 1, "demo-experts-1": 1, "demo-experts-2": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				f := &counted{Fleet: p.fleet, asked: map[string]int{}}
				p.r.Fleet = f
				p.fleet.Edit(reachable(p.pods.experts[1:2])[0].Address, func(pod *fleettest.Pod) { pod.Frozen = true })
				if c.knows {
					p.pods.answers = map[string]fleet.Answer{"demo-experts-1": {Err: context.DeadlineExceeded, Hung: true}}
				}
				begun := time.Now()
				p.next(t, testWindow)
				if took := time.Since(begun).Round(100 * time.Millisecond); took != c.took || !maps.Equal(f.asked, c.asked) {
					t.Errorf("the look took %s, want %s; asked were %v, want %v", took, c.took, f.asked, c.asked)
				}
				if l := &p.memory.looks; l.missed != 1 || l.silent() != "demo-experts-1: pod demo-experts-1 at 10.0.0.2:7070: no answer in time" {
					t.Errorf("%d looks were missed, by %q", l.missed, l.silent())
				}
			})
		})
	}
}
