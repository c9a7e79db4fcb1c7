package pool

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
)

// An alarm begins a round, cuts short what the round under way asks, and ends with
// the router that gave it.
func TestAlarms(t *testing.T) {
	f, pool := fleettest.New(), types.NamespacedName{Namespace: "ns", Name: "demo"}
	f.Start("r:1", fleettest.Pod{Router: true})
	a := &alarms{fleet: f, trigger: make(chan event.GenericEvent)}
	routers := map[string]fleet.Pod{"uid/0": {Name: "r", Address: "r:1"}}
	a.watch(pool, routers) // before Start it does nothing
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Start(ctx) }()
	for len(a.open(pool)) == 0 {
		a.watch(pool, routers)
	}
	asking, done := a.withAlarm(t.Context(), pool)
	defer done()
	begun := time.Now()
	f.Edit("r:1", func(p *fleettest.Pod) { p.Waits = []string{"n"} })
	if e := <-a.trigger; e.Object.GetName() != "demo" || e.Object.GetNamespace() != "ns" {
		t.Errorf("a round of %s/%s", e.Object.GetNamespace(), e.Object.GetName())
	}
	if names := a.waited(pool); len(names) != 1 || names[0] != "n" {
		t.Errorf("waits for %v", names)
	}
	<-asking.Done()
	if took := time.Since(begun); took < answerTime {
		t.Errorf("the round's questions ended after %s, want %s", took, answerTime)
	}
	a.watch(pool, nil)
	if n := len(a.open(pool)); n != 0 {
		t.Errorf("%d calls are open to routers that are gone", n)
	}
	a.forget(pool)
	if a.waited(pool) != nil {
		t.Error("a pool that is gone has an alarm")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// open are the calls to a pool's routers.
func (a *alarms) open(pool types.NamespacedName) map[string]context.CancelFunc {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.of(pool).stop
}
