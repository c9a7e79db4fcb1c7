package pool

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
)

// memory is what a round knows of earlier ones: since when something is so. It is
// lost with the operator, which costs patience and nothing else: what is not known is
// not guessed. Whatever must outlive the operator is in the status or in the placement's
// record.
type memory struct {
	silent   map[string]time.Time // since when an expert node has not answered, by name
	unheard  unheards
	refused  time.Time // since when pods have refused the published document; zero: none does
	located  located
	move     move
	looks    looks
	scale    autoscale.Memory
	about    string // what the autoscaler's last message was about
	outdated int    // rounds in a row that had read what was written since
}

const (
	// outdatedPause: the cache has the operator's own write some milliseconds later.
	outdatedPause = 50 * time.Millisecond
	// outdatedRounds in a row, of a second or more, are no longer the cache's delay.
	outdatedRounds = 20
)

// mayBeOutdated says of a round that has read what was written since, most often by the
// round before it, whether that is to be expected. If it lasts it is an error.
func (m *memory) mayBeOutdated() bool {
	m.outdated++
	return m.outdated <= outdatedRounds
}

// memories are those of all pools.
type memories struct {
	mu  sync.Mutex
	all map[types.NamespacedName]*memory
}

// of returns a pool's. A pool is reconciled by one round at a time, so the memory
// itself needs no lock.
func (m *memories) of(name types.NamespacedName) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[types.NamespacedName]*memory{}
	}
	if m.all[name] == nil {
		m.all[name] = &memory{silent: map[string]time.Time{}}
	}
	return m.all[name]
}

func (m *memories) forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, name)
}
