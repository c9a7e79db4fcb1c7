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
	experts int
	history *History

	mu     sync.Mutex
	cells  []cell // [layer*experts+expert]
	layers []layerCell
}

// cell is what is counted of an expert, side by side: computing has swept the
// caches, so that each line of memory that counting touches is fetched anew.
type cell struct{ rows, activations, busy, queue uint64 }

type layerCell struct{ tokens, requests, queue uint64 }

// NewMeter starts counting at a moment.
func NewMeter(layers, experts int, at time.Time) *Meter {
	m := &Meter{experts: experts, history: NewHistory(layers, experts),
		cells: make([]cell, layers*experts), layers: make([]layerCell, layers)}
	m.Tick(at)
	return m
}

// Add counts a batch.
func (m *Meter) Add(b *Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var s shares
	s.init(b)
	for i := range b.Groups {
		g := &b.Groups[i]
		c := &m.cells[g.Layer*m.experts+g.Expert]
		c.rows += uint64(g.Rows)
		c.activations++
		c.busy += s.next(g)
		c.queue += uint64(g.Queue)
	}
	for i := range b.Requests {
		r := &b.Requests[i]
		c := &m.layers[r.Layer]
		c.tokens += uint64(r.Rows)
		c.requests++
		c.queue += uint64(r.Queue)
	}
}

// Total is a copy of what was counted since the start.
func (m *Meter) Total() *Counts {
	c := NewCounts(len(m.layers), m.experts)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.cells {
		from, l, e := &m.cells[i], i/m.experts, i%m.experts
		c.Rows[l][e], c.Activations[l][e], c.BusyNs[l][e], c.QueueNs[l][e] = from.rows, from.activations, from.busy, from.queue
	}
	for l := range m.layers {
		from := &m.layers[l]
		c.Tokens[l], c.Requests[l], c.RequestQueueNs[l] = from.tokens, from.requests, from.queue
	}
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
