package load

import (
	"sync"
	"time"
)

// Limits of windows (invariant 8).
const (
	// MaxWindow is the longest window: two minutes tell a planner more than the
	// traffic of a moment, and forget yesterday's.
	MaxWindow = 2 * time.Minute
	// MinWindow is the shortest: that of two snapshots.
	MinWindow = Interval
	// DefaultWindow, where nobody says.
	DefaultWindow = time.Minute
	// Interval is how often a snapshot is taken.
	Interval = time.Second
	// maxHistoryBytes bounds what a node keeps. OLMoE's 16 x 64 takes 4.0 MB, a
	// snapshot a second; a model with more experts has them further apart.
	maxHistoryBytes = 16 << 20
)

// ClampWindow brings a window that somebody asks for within the limits; 0 or less
// asks for DefaultWindow.
func ClampWindow(d time.Duration) time.Duration {
	if d <= 0 {
		return DefaultWindow
	}
	return min(max(d, MinWindow), MaxWindow)
}

// History is a ring of snapshots that reaches MaxWindow back.
type History struct {
	layers, experts int
	apart           time.Duration // at least, between two snapshots

	mu    sync.Mutex
	ring  []snapshot
	taken int // snapshots so far: the newest is ring[(taken-1) % len(ring)]
}

type snapshot struct {
	at     time.Time
	counts *Counts // nil until first used
}

// NewHistory makes an empty one. It takes memory as it fills.
func NewHistory(layers, experts int) *History {
	const slots = int(MaxWindow/Interval) + 2 // so that the oldest is MaxWindow old just before it goes
	bytes := 8 * size(layers, experts) * slots
	factor := (bytes + maxHistoryBytes - 1) / maxHistoryBytes
	return &History{
		layers: layers, experts: experts,
		apart: time.Duration(factor)*Interval - Interval/2, // a ticker is never quite on time
		ring:  make([]snapshot, (slots-2)/factor+2),
	}
}

// Record keeps a copy of c, the counts at a moment, unless the last is too fresh.
func (h *History) Record(at time.Time, c *Counts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken > 0 && at.Sub(h.ring[(h.taken-1)%len(h.ring)].at) < h.apart {
		return
	}
	s := &h.ring[h.taken%len(h.ring)]
	if s.counts == nil {
		s.counts = NewCounts(h.layers, h.experts)
	}
	s.at = at
	s.counts.copyFrom(c)
	h.taken++
}

// Window turns c, the counts now, into what came since the youngest snapshot that
// is at least d old, and returns how much time lies between. It is less than d
// soon after the start, and more if snapshots are missing because the process was
// stopped for a while. Without any snapshot c is counted from nowhere: 0.
func (h *History) Window(now time.Time, c *Counts, d time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := h.since(now.Add(-ClampWindow(d)))
	if from == nil {
		return 0
	}
	c.subtract(from.counts)
	return now.Sub(from.at)
}

// since is the youngest snapshot not after a moment, or else the oldest there is.
func (h *History) since(moment time.Time) (s *snapshot) {
	for i := h.taken - 1; i >= max(0, h.taken-len(h.ring)); i-- {
		s = &h.ring[i%len(h.ring)]
		if !s.at.After(moment) {
			break
		}
	}
	return s
}
