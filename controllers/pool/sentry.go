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
	// toldFresh: a router's word counts for so long. It is given anew each awaitPause.
	toldFresh = 2 * time.Second
	// hurry is how long the pods of a pool with an alarm get to answer: as long as it
	// takes to call one hung, and a little for the call to begin.
	hurry = fleet.HungAfter + 20*time.Millisecond
)

// sentry hears from routers at once when they wait for an expert node that says
// nothing (ADR 0097): with one call to each router that stays open. It only makes a
// round come early; without it the rounds find out by themselves, later. The zero
// value hears nothing.
type sentry struct {
	fleet fleet.Fleet
	rung  chan event.GenericEvent // begins a round of a pool

	mu    sync.Mutex
	ctx   context.Context // of the manager; nil before Start
	posts map[types.NamespacedName]*post
}

// post is what the sentry does and knows at one pool.
type post struct {
	stop  map[string]context.CancelFunc // of the calls that are open, by router process
	told  map[string]time.Time          // when a router last said that it waits for a node
	hurry context.CancelFunc            // ends the questions of the round under way; nil: none is

	stalls stalls // of rounds alone
}

// Start implements manager.Runnable: until then, watch does nothing.
func (s *sentry) Start(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	<-ctx.Done()
	return nil
}

// watch keeps a call open to each of a pool's routers, by process, and to no other.
func (s *sentry) watch(pool types.NamespacedName, routers map[string]fleet.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		return
	}
	p := s.post(pool)
	for process, stop := range p.stop {
		if _, ok := routers[process]; !ok {
			stop()
			delete(p.stop, process)
		}
	}
	for process, router := range routers {
		if p.stop[process] == nil {
			ctx, cancel := context.WithCancel(s.ctx)
			p.stop[process] = cancel
			go s.await(ctx, pool, router)
		}
	}
}

// forget ends all calls for a pool.
func (s *sentry) forget(pool types.NamespacedName) {
	s.watch(pool, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.posts, pool)
}

// post of a pool. The caller holds the lock.
func (s *sentry) post(pool types.NamespacedName) *post {
	if s.posts == nil {
		s.posts = map[types.NamespacedName]*post{}
	}
	if s.posts[pool] == nil {
		s.posts[pool] = &post{stop: map[string]context.CancelFunc{}, told: map[string]time.Time{}, stalls: stalls{}}
	}
	return s.posts[pool]
}

// await asks a router again and again until ctx ends.
func (s *sentry) await(ctx context.Context, pool types.NamespacedName, router fleet.Pod) {
	for ctx.Err() == nil {
		asked := time.Now()
		r, err := s.fleet.Await(ctx, router)
		if err == nil && len(r.Silent) > 0 {
			s.ring(ctx, pool, r.Silent)
		} else if err == nil && time.Since(asked) >= fleet.AwaitTime/2 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(awaitPause):
		}
	}
}

// ring notes what a router said and begins a round. One that is under way waits no
// longer than hurry for pods that do not answer.
func (s *sentry) ring(ctx context.Context, pool types.NamespacedName, silent []string) {
	s.mu.Lock()
	p := s.post(pool)
	for _, node := range silent {
		p.told[node] = time.Now()
	}
	if p.hurry != nil {
		time.AfterFunc(hurry, p.hurry)
	}
	s.mu.Unlock()
	o := &v1alpha1.ExpertPool{ObjectMeta: metav1.ObjectMeta{Namespace: pool.Namespace, Name: pool.Name}}
	select {
	case s.rung <- event.GenericEvent{Object: o}:
	case <-ctx.Done():
	}
}

// waited are the nodes for which routers said of late that they wait.
func (s *sentry) waited(pool types.NamespacedName) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.post(pool).told
	maps.DeleteFunc(told, func(_ string, at time.Time) bool { return time.Since(at) > toldFresh })
	return slices.Collect(maps.Keys(told))
}

// stallsAt are those of a pool's nodes.
func (s *sentry) stallsAt(pool types.NamespacedName) stalls {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.post(pool).stalls
}

// hurried is a context for the questions of a round. Without an alarm it is ctx; with
// one, also if it comes meanwhile, it ends soon.
func (s *sentry) hurried(ctx context.Context, pool types.NamespacedName) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	p := s.post(pool)
	p.hurry = cancel
	s.mu.Unlock()
	if len(s.waited(pool)) > 0 { // after hurry is set: an alarm is seen here or by ring
		time.AfterFunc(hurry, cancel)
	}
	return ctx, func() {
		s.mu.Lock()
		p.hurry = nil
		s.mu.Unlock()
		cancel()
	}
}
