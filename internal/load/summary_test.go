package load

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// node has rows [layer][expert], and has computed for some seconds of its window.
func node(name string, seconds, busy float64, rows Matrix) *Node {
	n := &Node{Name: name, Seconds: seconds, ExpertsPerToken: 2, Counts: *NewCounts(len(rows), len(rows[0]))}
	for l := range rows {
		copy(n.Rows[l], rows[l])
		for e, v := range rows[l] {
			n.Activations[l][e] = (v + 1) / 2
		}
	}
	n.BusyNs[0][0] = uint64(busy * 1e9)
	return n
}

func TestSum(t *testing.T) {
	tests := []struct {
		name     string
		nodes    []*Node
		expected int
		want     Summary
	}{
		{"no node", nil, 3, Summary{Expected: 3}},
		{"no load", []*Node{node("a", 60, 0, Matrix{{0, 0}, {0, 0}})}, 1,
			Summary{Answered: 1, Expected: 1, Seconds: 60, Balancedness: []float64{1, 1}, Busiest: &Busy{Node: "a"}}},
		{"even", []*Node{node("a", 10, 1, Matrix{{20, 0}}), node("b", 10, 1, Matrix{{0, 20}})}, 2,
			Summary{Answered: 2, Expected: 2, Seconds: 10, TokensPerSecond: 2, Balancedness: []float64{1},
				Hottest: &Hot{0, 0, 0.5, 1}, Busiest: &Busy{Node: "a", Utilization: 0.1}}},
		{"a hot expert", []*Node{node("a", 10, 2, Matrix{{4, 0}, {30, 0}}), node("b", 10, 5, Matrix{{0, 4}, {0, 10}})}, 3,
			Summary{Answered: 2, Expected: 3, Seconds: 10, TokensPerSecond: 1.2, Balancedness: []float64{1, 20.0 / 30},
				Hottest: &Hot{1, 0, 0.75, 1.5}, Busiest: &Busy{Node: "b", Utilization: 0.5}}},
		{"one has just started: rates count", []*Node{node("a", 60, 6, Matrix{{120, 0}}), node("b", 6, 3, Matrix{{0, 12}})}, 2,
			Summary{Answered: 2, Expected: 2, Seconds: 6, TokensPerSecond: 2, Balancedness: []float64{1},
				Hottest: &Hot{0, 0, 120.0 / 132, 240.0 / 132}, Busiest: &Busy{Node: "b", Utilization: 0.5}}},
		{"nothing covered yet", []*Node{node("a", 0, 0, Matrix{{1, 1}})}, 1,
			Summary{Answered: 1, Expected: 1, Balancedness: []float64{1}, Hottest: &Hot{0, 0, 0.5, 1}, Busiest: &Busy{Node: "a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Sum(tt.nodes, tt.expected); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %s\nwant %s", text(got), text(tt.want))
			}
		})
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestRowsAddUpOverNodes(t *testing.T) {
	nodes := []*Node{node("a", 60, 0, Matrix{{1, 2}, {3, 0}}), node("b", 5, 0, Matrix{{10, 0}, {0, 4}})}
	if got, want := Rows(nodes), [][]float64{{11, 2}, {3, 4}}; !reflect.DeepEqual(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	if got, want := ActivationsWithin(nodes, time.Minute), [][]float64{{6, 1}, {2, 2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("activations %v, want %v", got, want)
	}
	if Rows(nil) != nil {
		t.Error("rows of no node")
	}
}

// Answers that cannot be added up are reported as failed, not used and not fatal.
func TestReportLeavesOutWhatDoesNotFit(t *testing.T) {
	good := func(name string) *Node { return node(name, 1, 0, Matrix{{1, 2}, {3, 4}}) }
	bad := map[string]func(n *Node){
		"a window of NaN seconds":               func(n *Node) { n.Seconds = math.NaN() },
		"a window of -1 seconds":                func(n *Node) { n.Seconds = -1 },
		"load of 0 layers x 0 experts":          func(n *Node) { n.Rows = nil },
		"load of 1 layers beside 2":             func(n *Node) { n.BusyNs = n.BusyNs[:1] },
		"load of 1 experts in layer 1 beside 2": func(n *Node) { n.QueueNs[1] = n.QueueNs[1][:1] },
		"load of 3 layers beside 2":             func(n *Node) { n.Tokens = make([]uint64, 3) },
		"has 1 layers of 2 experts; a has 2 of 2: give all pods": func(n *Node) {
			n.Counts = *NewCounts(1, 2)
		},
	}
	for want, damage := range bad {
		n := good("b")
		damage(n)
		r := NewReport([]*Node{good("c"), n, good("a")}, []Fault{{"d", "refused"}})
		if len(r.Nodes) != 2 || r.Nodes[0].Name != "a" || len(r.Failed) != 2 || r.Failed[0].Node != "b" || !strings.Contains(r.Failed[0].Error, want) {
			t.Errorf("%s: failed %v", want, r.Failed)
		}
		if r.Summary.Answered != 2 || r.Summary.Expected != 4 {
			t.Errorf("%s: summary %+v", want, r.Summary)
		}
	}
}

// A report comes through JSON as it was: olmoe top reads what a router writes.
func TestReportAsJSON(t *testing.T) {
	a := node("a", 60, 6, Matrix{{120, 0}})
	a.Instance, a.WaitingRows, a.HeldBytes, a.ExpertBytes = math.MaxUint64, 3, 24, 12
	r := NewReport([]*Node{a}, []Fault{{"d", "refused"}})
	var back Report
	if err := json.Unmarshal([]byte(text(r)), &back); err != nil {
		t.Fatal(err)
	}
	if text(back) != text(r) {
		t.Errorf("got  %s\nwant %s", text(back), text(r))
	}
	if n := back.Nodes[0]; n.Instance != math.MaxUint64 || n.Rows[0][0] != 120 || n.Held() != 2 {
		t.Errorf("node %+v", n)
	}
}

func TestHeldWithoutASize(t *testing.T) {
	if n := (&Node{HeldBytes: 5}); n.Held() != 0 {
		t.Errorf("%d experts held", n.Held())
	}
}

func TestDecodeChecks(t *testing.T) {
	for _, text := range []string{"", "no", `{"nodes": [null]}`, `{"nodes": 5}`, `{"nodes": [{"rows": [[-1]]}]}`} {
		if _, err := Decode(strings.NewReader(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	r, err := Decode(strings.NewReader(`{"window_seconds": 5, "nodes": [{"name": "a", "rows": [[1, 2], [3]]}], "failed": [{"node": "b"}]}`))
	if err != nil || r.WindowSeconds != 5 || len(r.Nodes) != 0 || len(r.Failed) != 2 {
		t.Errorf("report %+v, error %v; want node a as failed", r, err)
	}
}

// TestReportOfSomeNodes: the others count neither as nodes nor as faults.
func TestReportOfSomeNodes(t *testing.T) {
	all := NewReport([]*Node{node("a", 60, 1, Matrix{{9, 0}}), node("new", 5, 0, Matrix{{0, 0}})}, []Fault{{"b", "gone"}, {"old", "gone"}})
	all.WindowSeconds = 60
	r := all.Of(func(n string) bool { return n == "a" || n == "b" })
	if s := r.Summary; len(r.Nodes) != 1 || len(r.Failed) != 1 || r.WindowSeconds != 60 || s.Expected != 2 || s.Seconds != 60 || s.Balancedness[0] != 1 {
		t.Errorf("%s", text(r))
	}
	if len(all.Nodes) != 2 || all.Summary.Seconds != 5 {
		t.Errorf("the whole report has changed: %s", text(all))
	}
}
