package screen

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// pool is a report of some nodes that share the experts of 16 layers evenly, with
// loads that fall from expert to expert and one hot expert in layer 7.
func pool(nodes, experts int) *load.Report {
	var list []*load.Node
	for i := range nodes {
		n := &load.Node{Name: fmt.Sprintf("demo-experts-%d", i), Seconds: 60, ExpertsPerToken: min(8, experts), Counts: *load.NewCounts(16, experts),
			WaitingRows: 3 * i, HeldBytes: int64(16*experts/nodes) * 12, ExpertBytes: 12}
		for l := range n.Rows {
			for e := i; e < experts; e += nodes {
				fill(n, l, e, uint64(12000/(3+(e*7+l*5)%experts)))
			}
			n.Requests[l], n.RequestQueueNs[l] = 100, uint64(i)*8e6
		}
		if hot := 12 % experts; hot%nodes == i {
			fill(n, 7, hot, 25000)
		}
		list = append(list, n)
	}
	r := load.NewReport(list, nil)
	r.WindowSeconds = 60
	return r
}

func fill(n *load.Node, l, e int, rows uint64) {
	n.Rows[l][e], n.Activations[l][e], n.BusyNs[l][e], n.QueueNs[l][e] = rows, rows/2+1, rows*50_000, rows*300_000
}

func TestGolden(t *testing.T) {
	failed := func(r *load.Report) *load.Report {
		r = load.NewReport(r.Nodes, []load.Fault{{Node: "demo-experts-9", Error: "pod demo-experts-9 at 10.0.0.9:7070: connection refused\x1b[2J, and so on and on"}})
		r.WindowSeconds = 60
		return r
	}
	started := pool(2, 64)
	started.Summary.Seconds = 4
	rest := load.NewReport([]*load.Node{{Name: "demo-experts-0", Seconds: 4, ExpertsPerToken: 8, Counts: *load.NewCounts(16, 64)}}, nil)
	nobody := load.NewReport(nil, []load.Fault{{Node: "a", Error: "no route to host"}})
	rest.WindowSeconds, nobody.WindowSeconds = 60, 60
	tests := []struct {
		name   string
		report *load.Report
		o      Options
	}{
		{"80x24", pool(2, 64), Options{Width: 80, Height: 24, Layer: -1}},
		{"120x40", failed(pool(3, 64)), Options{Width: 120, Height: 40, Layer: -1}},
		{"80-once", pool(5, 64), Options{Width: 80, Layer: -1}},
		{"80x24-many-nodes", failed(pool(9, 64)), Options{Width: 80, Height: 24, Layer: -1}},
		{"80x24-layer-7", pool(2, 64), Options{Width: 80, Height: 24, Layer: 7}},
		{"120-layer-7", pool(2, 64), Options{Width: 120, Layer: 7}},
		{"80-few-experts", pool(2, 8), Options{Width: 80, Height: 24, Layer: -1}},
		{"80-many-experts", pool(2, 256), Options{Width: 80, Height: 24, Layer: -1}},
		{"60x10", pool(2, 64), Options{Width: 60, Height: 10, Layer: -1}},
		{"80-colour", pool(1, 64), Options{Width: 80, Colour: true, Layer: -1}},
		{"80-just-started", started, Options{Width: 80, Layer: -1}},
		{"80-at-rest", rest, Options{Width: 80, Layer: -1}},
		{"60-layer-7", pool(2, 64), Options{Width: 60, Layer: 7}},
		{"80-no-such-layer", pool(1, 64), Options{Width: 80, Layer: 16}},
		{"80-no-node", nobody, Options{Width: 80, Layer: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Source = "http://127.0.0.1:8000"
			lines := Render(tt.report, tt.o)
			for i, line := range lines {
				if n := utf8.RuneCountInString(line); n > tt.o.Width && !tt.o.Colour {
					t.Errorf("line %d has %d columns: %s", i, n, line)
				}
				if strings.ContainsRune(line, 0x1b) && !tt.o.Colour {
					t.Errorf("line %d steers the terminal: %q", i, line)
				}
			}
			if tt.o.Height > 0 && len(lines) > tt.o.Height {
				t.Errorf("%d lines", len(lines))
			}
			goldentest.Recorded(t, filepath.Join("testdata", tt.name+".txt"), strings.Join(lines, "\n")+"\n")
		})
	}
}

func TestMarksRiseWithTheLoad(t *testing.T) {
	got := ""
	for _, v := range []float64{0, 0.1, 0.3, 0.6, 1, 1.4, 1.9, 3.9, 4, 64} {
		got += mark(v, 1, 1, false)
	}
	if want := "·▁▂▃▄▅▆▇██"; got != want {
		t.Errorf("marks %s, want %s", got, want)
	}
}

// A busy node stands out in colour, unless half a colour could stay where lines are cut.
func TestBusyNodesStandOut(t *testing.T) {
	for _, tt := range []struct {
		busy   time.Duration // of ten seconds
		width  int
		colour string
	}{
		{69 * time.Second / 10, 80, ""}, {7 * time.Second, 80, "\x1b[33m"}, {9 * time.Second, 80, "\x1b[1;31m"}, {9 * time.Second, 40, ""},
	} {
		n := &load.Node{Name: "n", Seconds: 10, ExpertsPerToken: 1, Counts: *load.NewCounts(1, 1)}
		n.BusyNs[0][0] = uint64(tt.busy)
		line := Render(load.NewReport([]*load.Node{n}, nil), Options{Width: tt.width, Colour: true, Layer: -1})[5]
		if before, _, _ := strings.Cut(line, "n "); before != tt.colour {
			t.Errorf("%s of 10 s busy, width %d: %q, want it to begin with %q", tt.busy, tt.width, line, tt.colour)
		}
	}
}

// Names that are cut still tell nodes apart.
func TestCutNamesDiffer(t *testing.T) {
	r := load.NewReport(pool(2, 64).Nodes, []load.Fault{{Node: "demo-experts-9", Error: "no answer"}})
	lines := nodeTable(r, Options{Width: MinWidth}, 0)[1:]
	for i, want := range []string{"…perts-0 ", "…perts-1 ", "…perts-9 "} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("%q, want it to begin with %q", lines[i], want)
		}
	}
}

// A name is shown whole where there is room, also that of a node which does not answer.
func TestLongNames(t *testing.T) {
	r := load.NewReport(pool(1, 64).Nodes, []load.Fault{{Node: "a-deployment-of-many-words-experts-9", Error: "no answer"}})
	lines := nodeTable(r, Options{Width: 120}, 0)
	if want := "a-deployment-of-many-words-experts-9 no answer: "; !strings.HasPrefix(lines[2], want) {
		t.Errorf("%q, want it to begin with %q", lines[2], want)
	}
}

// Nodes stay in their order where all have room; else the busiest come first.
func TestNodesThatHaveRoomKeepTheirOrder(t *testing.T) {
	r := pool(3, 64)
	for i, n := range r.Nodes {
		n.Seconds = float64(90 - 30*i) // the later, the busier
	}
	for room, want := range map[int]string{0: "012", 3: "012", 2: "2"} {
		got := ""
		for _, line := range nodeTable(r, Options{Width: 80}, room)[1:] {
			if name, ok := strings.CutPrefix(line, "demo-experts-"); ok {
				got += name[:1]
			}
		}
		if got != want {
			t.Errorf("room %d: nodes %s, want %s", room, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{clip("abc", 3), "abc"}, {clip("abcd", 3), "ab…"}, {clip("a\nb", 9), "a?b"}, {clip("äöüß", 3), "äö…"},
		{tail("abcd", 3), "…cd"}, {tail("abc", 3), "abc"}, {tail("a\n", 3), "a? "}, {pad("a", 3), "a  "},
		{number(0), "0.00"}, {number(9.876), "9.88"}, {number(98.76), "98.8"}, {number(9876), "9876"}, {number(10), "10.0"}, {number(100), "100"},
		{gauge(0, 4), "░░░░"}, {gauge(0.5, 4), "██░░"}, {gauge(7, 4), "████"}, {gauge(-1, 4), "░░░░"},
		{Warning("w", 80, false), "w"}, {Warning("w", 80, true), "\x1b[1;31mw\x1b[0m"}, {Warning("www", 0, false), "…"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
