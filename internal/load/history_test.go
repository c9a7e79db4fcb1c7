package load

import (
	"testing"
	"time"
)

// clicks is a counter that goes up by one each second.
func clicks(n uint64) *Counts {
	c := NewCounts(1, 1)
	c.Rows[0][0] = n
	return c
}

// record keeps snapshots at seconds from..to.
func record(h *History, from, to int) {
	for s := from; s <= to; s++ {
		h.Record(after(time.Duration(s)*time.Second), clicks(uint64(s)))
	}
}

func TestWindowCovers(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name    string
		fill    func(h *History)
		now     time.Duration
		window  time.Duration
		covered time.Duration
		rows    uint64
	}{
		{"empty", func(*History) {}, 5 * time.Second, time.Minute, 0, 5},
		{"just started", func(h *History) { record(h, 0, 0) }, 400 * ms, time.Minute, 400 * ms, 0},
		{"shorter than asked, soon after the start", func(h *History) { record(h, 0, 9) }, 9500 * ms, time.Minute, 9500 * ms, 9},
		{"exactly", func(h *History) { record(h, 0, 90) }, 90 * time.Second, time.Minute, time.Minute, 60},
		{"between two snapshots: the older", func(h *History) { record(h, 0, 90) }, 90300 * ms, time.Minute, 60300 * ms, 60},
		{"after many turns of the ring", func(h *History) { record(h, 0, 1000) }, 1000 * time.Second, time.Minute, time.Minute, 60},
		{"the longest", func(h *History) { record(h, 0, 1000) }, 1000900 * ms, MaxWindow, 120900 * ms, 120},
		{"longer than the longest", func(h *History) { record(h, 0, 1000) }, 1000 * time.Second, time.Hour, MaxWindow, 120},
		{"the shortest", func(h *History) { record(h, 0, 50) }, 50 * time.Second, time.Nanosecond, MinWindow, 1},
		{"none asked for", func(h *History) { record(h, 0, 100) }, 100 * time.Second, 0, DefaultWindow, 60},
		{"a gap within", func(h *History) { record(h, 0, 40); record(h, 55, 70) }, 70 * time.Second, 20 * time.Second, 30 * time.Second, 30},
		{"a gap longer than the window", func(h *History) { record(h, 0, 40) }, 300 * time.Second, time.Minute, 260 * time.Second, 260},
		{"snapshots too close are left out", func(h *History) {
			record(h, 0, 90)
			for i := range 500 {
				h.Record(after(90*time.Second+time.Duration(i)*ms), clicks(90))
			}
		}, 90500 * ms, time.Minute, 60500 * ms, 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := NewHistory(1, 1)
			tt.fill(h)
			c := clicks(uint64(tt.now / time.Second))
			covered := h.Window(after(tt.now), c, tt.window)
			if covered != tt.covered || c.Rows[0][0] != tt.rows {
				t.Errorf("covers %s with %d rows, want %s with %d", covered, c.Rows[0][0], tt.covered, tt.rows)
			}
		})
	}
}

// A counter that wraps around its 64 bits still gives the right difference.
func TestCounterMayWrap(t *testing.T) {
	h := NewHistory(1, 1)
	h.Record(start, clicks(^uint64(0)-2))
	c := clicks(4)
	h.Window(after(time.Minute), c, time.Minute)
	if c.Rows[0][0] != 7 {
		t.Errorf("%d rows, want 7", c.Rows[0][0])
	}
}

// The memory of a history is bounded whatever the model; with more experts the
// snapshots are further apart and still reach as far back.
func TestHistoryIsBounded(t *testing.T) {
	for _, tt := range []struct{ layers, experts, seconds int }{{16, 64, 1}, {1, 1, 1}, {32, 256, 2}, {64, 1024, 16}} {
		h := NewHistory(tt.layers, tt.experts)
		if bytes := 8 * size(tt.layers, tt.experts) * len(h.ring); bytes > maxHistoryBytes*11/10+2*8*size(tt.layers, tt.experts) {
			t.Errorf("%d x %d: %d bytes", tt.layers, tt.experts, bytes)
		}
		c := NewCounts(tt.layers, tt.experts)
		for s := range 300 {
			h.Record(after(time.Duration(s)*time.Second), c)
		}
		filled := 0
		for i := range h.ring {
			if h.ring[i].counts != nil {
				filled++
			}
		}
		if filled != len(h.ring) && tt.seconds == 1 {
			t.Errorf("%d x %d: %d of %d snapshots", tt.layers, tt.experts, filled, len(h.ring))
		}
		covered := h.Window(after(299*time.Second), c, MaxWindow)
		if covered < MaxWindow || covered > MaxWindow+time.Duration(tt.seconds)*time.Second {
			t.Errorf("%d x %d: the longest window covers %s", tt.layers, tt.experts, covered)
		}
	}
}
