package poolsim

import (
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
)

// observed is n nodes that serve, all as busy.
func observed(n int, busy float64) *Observation {
	var nodes []autoscale.Node
	for i := range n {
		nodes = append(nodes, autoscale.Node{Ordinal: i, Utilization: busy})
	}
	return &Observation{Wanted: n, Nodes: func(int) []autoscale.Node { return nodes }, Waiting: func() float64 { return float64(n) * busy }}
}

// TestHPA follows the documented algorithm, step by step.
func TestHPA(t *testing.T) {
	steps := []struct {
		at          time.Duration
		nodes       int
		busy        float64
		want        int
		why         string
		freshPolicy bool
	}{
		{0, 10, .5, 10, "on target", true},
		{15 * time.Second, 10, .54, 10, "within the tolerance of 10 %", false},
		{30 * time.Second, 10, .56, 12, "ceil(10 * 0.56/0.5)", false},
		{40 * time.Second, 12, .9, 12, "not yet time to look", false},
		{45 * time.Second, 12, 1, 24, "ceil(12 * 1/0.5)", false},
		{60 * time.Second, 24, .1, 24, "down only to the highest wish of 300 s", false},
		{360 * time.Second, 24, .1, 5, "which were 5 since", false},
		{0, 2, 1, 6, "ceil(2 * 1/0.1), but at most 4 pods more", true},
		{0, 10, 1, 20, "at most twice as many", true},
		{0, 10, 0, 10, "what is there counts as the first wish", true},
		{301 * time.Second, 10, 0, 3, "the minimum, when that is 300 s ago", false},
	}
	var h *HPA
	for _, s := range steps {
		if s.freshPolicy {
			h = &HPA{Min: 3, Max: 30, Stable: HPAStable, Metric: MeanCPU, Target: .5}
			if s.why[0] == 'c' && s.nodes == 2 || s.why[:7] == "at most" {
				h.Target = .1
			}
		}
		if got := h.Want(s.at, observed(s.nodes, s.busy)); got != s.want {
			t.Errorf("%v, %d nodes %.2f busy: %d nodes, want %d: %s", s.at, s.nodes, s.busy, got, s.want, s.why)
		}
	}
	if q := QueueLength(observed(4, .5)); q != .5 {
		t.Errorf("2 requests wait at 4 nodes: %v each, want 0.5", q)
	}
}

// TestRooflineOfAFrame: an expert that no token chooses costs nothing; one that
// all choose costs its rows; between, at least the read of its weights.
func TestRooflineOfAFrame(t *testing.T) {
	s := Service{ReadSeconds: 4, RowSeconds: 1, Rows: 8}
	if a := s.activate(0); a.mean != 0 || a.chosen != 0 {
		t.Errorf("never chosen: %+v", a)
	}
	if a := s.activate(1); a.mean != 8 || a.square != 64 || a.chosen != 1 || a.rows != 8 {
		t.Errorf("always chosen: %+v, want 8 rows of 1 s", a)
	}
	a := s.activate(.25) // by hand: rows 0..4 cost 4 (0 for none), 5..8 cost 5..8
	if off(a.chosen, .8998871) > 1e-6 || off(a.mean, 3.6314697265625) > 1e-6 || a.rows != 2 {
		t.Errorf("chosen by a quarter: %+v", a)
	}
	if d := DefaultService(); off(d.ReadSeconds, 503e-6) > .01 || off(d.RowSeconds, 61.75e-6) > .01 {
		t.Errorf("the default node: %+v, want 0.5 ms a read and 62 us a row", d)
	}
}
