package pool

import (
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// move is the placement that is being prepared, and how nodes get on with it.
type move struct {
	target int64            // its epoch; 0: none is
	since  time.Time        // since when
	held   map[string]int64 // bytes of experts that nodes of the placement hold, by name
	grew   time.Time        // when one was last seen to grow
}

// follow notes since when which placement is being prepared.
func (m *move) follow(doc *placement.Document, now time.Time) {
	var epoch int64
	if doc != nil && doc.Target != nil {
		epoch = doc.Target.Epoch
	}
	if m.target != epoch {
		m.target, m.since = epoch, now
	}
}

// hold notes when the memory of a node last grew. Each is compared with its own last
// answer: a node that could not be reached for a while has not loaded anything.
func (m *move) hold(nodes []*load.Node, now time.Time) {
	if m.held == nil {
		m.held = map[string]int64{}
	}
	for _, n := range nodes {
		if held, known := m.held[n.Name]; known && n.HeldBytes > held {
			m.grew = now
		}
		m.held[n.Name] = n.HeldBytes
	}
}

// stuck says whether for so long no expert has been loaded and no router has switched.
func (m *move) stuck(limit time.Duration, now time.Time) bool {
	return now.Sub(m.since) >= limit && now.Sub(m.grew) >= limit
}
