package load

import (
	"sync"
	"time"
)

// readRows is what it costs to read an expert's weights once, in rows of
// arithmetic: a group of n rows costs readRows + n. See ADR 0083 for how well
// that fits.
const readRows = 2

// Batch is what one batch of a node did.
type Batch struct {
	Took     time.Duration
	Groups   []Group
	Requests []Request
}

// Group is the rows that one expert computed.
type Group struct {
	Layer, Expert, Rows int
	Queue               time.Duration // sum over the rows of their requests' waits
}

// Request is one that the batch answered.
type Request struct {
	Layer, Rows int
	Queue       time.Duration // how long it waited
}

// Meter counts a node's work. The loop that computes adds each batch; anybody may
// read. A plain lock is taken once a batch, for some nanoseconds for each group:
// there is one writer, and a reader holds it for as long as a copy takes.
type Meter struct {
	mu      sync.Mutex
	now     *Counts
	history *History
}

// NewMeter starts counting at a moment.
func NewMeter(layers, experts int, at time.Time) *Meter {
	m := &Meter{now: NewCounts(layers, experts), history: NewHistory(layers, experts)}
	m.history.Record(at, m.now)
	return m
}

// Add counts a batch.
func (m *Meter) Add(b *Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.now
	var s shares
	s.init(b)
	for i := range b.Groups {
		g := &b.Groups[i]
		c.Rows[g.Layer][g.Expert] += uint64(g.Rows)
		c.Activations[g.Layer][g.Expert]++
		c.BusyNs[g.Layer][g.Expert] += s.next(g)
		c.QueueNs[g.Layer][g.Expert] += uint64(g.Queue)
	}
	for i := range b.Requests {
		r := &b.Requests[i]
		c.Tokens[r.Layer] += uint64(r.Rows)
		c.Requests[r.Layer]++
		c.RequestQueueNs[r.Layer] += uint64(r.Queue)
	}
}

// Total is a copy of what was counted since the start.
func (m *Meter) Total() *Counts {
	c := NewCounts(m.now.Layers(), m.now.Experts()) // the shape never changes
	m.mu.Lock()
	defer m.mu.Unlock()
	c.copyFrom(m.now)
	return c
}

// Tick keeps a snapshot for later windows; call it every Interval.
func (m *Meter) Tick(at time.Time) {
	m.history.Record(at, m.Total())
}

// Window is what was counted in about the last d, and how much time that really
// covers: see History.Window.
func (m *Meter) Window(at time.Time, d time.Duration) (*Counts, time.Duration) {
	c := m.Total()
	return c, m.history.Window(at, c, d)
}

// shares hands out a batch's time to its groups in proportion to readRows + rows.
// The parts add up to the whole: each is the difference of two running sums.
type shares struct {
	took, cost  uint64 // of the batch
	done, given uint64 // so far: cost and time
}

func (s *shares) init(b *Batch) {
	s.took = uint64(max(b.Took, 0))
	for i := range b.Groups {
		s.cost += readRows + uint64(b.Groups[i].Rows)
	}
}

// next is the time of the next group.
func (s *shares) next(g *Group) uint64 {
	s.done += readRows + uint64(g.Rows)
	// At most 2^40 ns (18 min) x 2^20 (rows of a batch, with readRows): no overflow.
	upTo := s.took * s.done / s.cost
	part := upTo - s.given
	s.given = upTo
	return part
}
