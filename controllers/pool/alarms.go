package pool

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

const (
	// awaitPause between two calls to a router whose last call ended early: it is away,
	// or of a version that answers at once.
	awaitPause = time.Second
	// alarmLasts: a router's word counts for so long. It is given anew each awaitPause.
	alarmLasts = 2 * time.Second
	// answerTime is how long the pods of a pool with an alarm get to answer: as long as it
	// takes to call one hung, and a little for the call to begin.
	answerTime = fleet.HungAfter + 20*time.Millisecond
)

// alarms watches routers, which say at once when they wait for an expert node that says
// nothing (ADR 0097): with one call to each router that stays open. An alarm only makes a
// round come early; without it the rounds find out by themselves, later. The zero
// value watches nothing.
type alarms struct {
	fleet   fleet.Fleet
	trigger chan event.GenericEvent // begins a round of a pool

	mu    sync.Mutex
	ctx   context.Context // of the manager; nil before Start
	pools map[types.NamespacedName]*poolWatch
}

// poolWatch is what is watched and known of one pool.
type poolWatch struct {
	stop   map[string]context.CancelFunc // of the calls that are open, by router process
	waited map[string]time.Time          // when a router last said that it waits for a node
	cancel context.CancelFunc            // ends the questions of the round under way; nil: none is

	stalls stalls // of rounds alone
}

// Start implements manager.Runnable: until then, watch does nothing.
func (a *alarms) Start(ctx context.Context) error {
	a.mu.Lock()
	a.ctx = ctx
	a.mu.Unlock()
	<-ctx.Done()
	return nil
}

// watch keeps a call open to each of a pool's routers, by process, and to no other.
func (a *alarms) watch(pool types.NamespacedName, routers map[string]fleet.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx == nil {
		return
	}
	p := a.of(pool)
	for process, stop := range p.stop {
		if _, ok := routers[process]; !ok {
			stop()
			delete(p.stop, process)
		}
	}
	for process, router := range routers {
		if p.stop[process] == nil {
			ctx, cancel := context.WithCancel(a.ctx)
			p.stop[process] = cancel
			go a.await(ctx, pool, router)
		}
	}
}

// forget ends all calls for a pool.
func (a *alarms) forget(pool types.NamespacedName) {
	a.watch(pool, nil)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pools, pool)
}

// of returns a pool's. The caller holds the lock.
func (a *alarms) of(pool types.NamespacedName) *poolWatch {
	if a.pools == nil {
		a.pools = map[types.NamespacedName]*poolWatch{}
	}
	if a.pools[pool] == nil {
		a.pools[pool] = &poolWatch{stop: map[string]context.CancelFunc{}, waited: map[string]time.Time{}, stalls: stalls{}}
	}
	return a.pools[pool]
}

// await asks a router again and again until ctx ends.
func (a *alarms) await(ctx context.Context, pool types.NamespacedName, router fleet.Pod) {
	for ctx.Err() == nil {
		asked := time.Now()
		r, err := a.fleet.Await(ctx, router)
		if err == nil && len(r.Silent) > 0 {
			a.raise(ctx, pool, r.Silent)
		} else if err == nil && time.Since(asked) >= fleet.AwaitTime/2 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(awaitPause):
		}
	}
}

// raise notes what a router said and begins a round. One that is under way waits no
// longer than answerTime for pods that do not answer.
func (a *alarms) raise(ctx context.Context, pool types.NamespacedName, silent []string) {
	a.mu.Lock()
	p := a.of(pool)
	for _, node := range silent {
		p.waited[node] = time.Now()
	}
	if p.cancel != nil {
		time.AfterFunc(answerTime, p.cancel)
	}
	a.mu.Unlock()
	o := &v1alpha1.ExpertPool{ObjectMeta: metav1.ObjectMeta{Namespace: pool.Namespace, Name: pool.Name}}
	select {
	case a.trigger <- event.GenericEvent{Object: o}:
	case <-ctx.Done():
	}
}

// waited are the nodes for which routers said of late that they wait.
func (a *alarms) waited(pool types.NamespacedName) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	waited := a.of(pool).waited
	maps.DeleteFunc(waited, func(_ string, at time.Time) bool { return time.Since(at) > alarmLasts })
	return slices.Collect(maps.Keys(waited))
}

// stalls are those of a pool's nodes.
func (a *alarms) stalls(pool types.NamespacedName) stalls {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.of(pool).stalls
}

// withAlarm is a context for the questions of a round. Without an alarm it is ctx; with
// one, also if it comes meanwhile, it ends soon.
func (a *alarms) withAlarm(ctx context.Context, pool types.NamespacedName) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	a.mu.Lock()
	p := a.of(pool)
	p.cancel = cancel
	a.mu.Unlock()
	if len(a.waited(pool)) > 0 { // after cancel is set: an alarm is seen here or by raise
		time.AfterFunc(answerTime, cancel)
	}
	return ctx, func() {
		a.mu.Lock()
		p.cancel = nil
		a.mu.Unlock()
		cancel()
	}
}
