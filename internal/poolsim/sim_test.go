package poolsim

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// hours is a short trace: n hours of a day.
func hours(t *testing.T, name string, from, n float64) *Trace {
	t.Helper()
	trace, err := NewTrace(name, ZipfTexts(3, 1), 5)
	if err != nil {
		t.Fatal(err)
	}
	a, b := int(from*3600/Slot), int((from+n)*3600/Slot)
	trace.Demand, trace.Mix = trace.Demand[a:b], trace.Mix[a:b]
	return trace
}

func simulator(t *testing.T, trace *Trace, peak int) *Simulator {
	t.Helper()
	s, err := New(Config{Trace: trace, Peak: peak, SlotsPerNode: 8, Service: DefaultService(), Times: DefaultTimes(), Bound: 10e-3, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func byLoad(fewest, most int) *Ours {
	return &Ours{Settings: autoscale.Settings{Min: fewest, Max: most, TargetUtilization: 70, TargetQueue: 2 * time.Millisecond}, Window: load.DefaultWindow}
}

// TestDayIsDeterministic, and a day without scaling costs what its nodes cost.
func TestDayIsDeterministic(t *testing.T) {
	s := simulator(t, hours(t, "all", 0, 1), 16)
	a, err := s.Run(byLoad(8, 40), load.DefaultWindow)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := simulator(t, hours(t, "all", 0, 1), 16).Run(byLoad(8, 40), load.DefaultWindow)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same day came out otherwise")
	}
	fixed, err := s.Run(Static(20), 0)
	if err != nil || fixed.NodeHours < 19.99 || fixed.NodeHours > 20.01 || fixed.Steps != 0 {
		t.Errorf("20 nodes for an hour: %+v, %v", fixed, err)
	}
}

// TestOursOneAtATime: the pool follows the night's fall one node at a time, each
// step after the one before, and never in both directions within minutes.
func TestOursOneAtATime(t *testing.T) {
	s := simulator(t, hours(t, "diurnal", 0, 4), 32)
	r, err := s.Run(byLoad(8, 64), load.DefaultWindow)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(r.Nodes); i++ {
		if by := r.Nodes[i] - r.Nodes[i-1]; by < -1 || by > 1 {
			t.Fatalf("slot %d: from %d to %d nodes", i, r.Nodes[i-1], r.Nodes[i])
		}
	}
	if last := r.Nodes[len(r.Nodes)-1]; last > 16 || r.Late > LateAllowed {
		t.Errorf("at 4:00, with a quarter of the load, %d nodes (want at most 16), %.2f %% late", last, 100*r.Late)
	}
}

// TestBalancerIsWorthNodes: the same number of nodes answers sooner when experts
// are placed by load.
func TestBalancerIsWorthNodes(t *testing.T) {
	s := simulator(t, hours(t, "diurnal", 15, 1), 32)
	even, err := s.Run(Static(32), 0)
	if err != nil {
		t.Fatal(err)
	}
	balanced, err := s.Run(Static(32), load.DefaultWindow)
	if err != nil {
		t.Fatal(err)
	}
	if balanced.P99 > .95*even.P99 {
		t.Errorf("p99 %.2f ms placed by load, %.2f ms placed evenly", 1e3*balanced.P99, 1e3*even.P99)
	}
}

// TestTune finds the fewest nodes that keep the bound: one step less breaks it.
func TestTune(t *testing.T) {
	s := simulator(t, hours(t, "diurnal", 15, .5), 16)
	c := Candidate{Name: "fixed", Unit: " nodes", Targets: falling(8, 40), New: func(n float64) Policy { return Static(int(n)) }}
	best, err := Tune(c, s)
	if err != nil {
		t.Fatal(err)
	}
	if !best.Kept || best.Days[0].Late > LateAllowed {
		t.Fatalf("%+v breaks the bound", best)
	}
	worse, err := s.Run(Static(best.Days[0].Most-1), 0)
	if err != nil || worse.Late <= LateAllowed {
		t.Errorf("%d nodes keep the bound as well (%.2f %% late), %s was chosen", best.Days[0].Most-1, 100*worse.Late, best.Target)
	}
	c.Targets = []float64{8}
	if hopeless, err := Tune(c, s); err != nil || hopeless.Kept {
		t.Errorf("8 nodes for a load of 16 keep the bound? %v %v", hopeless, err)
	}
}

func TestReadTexts(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                     "counts of expert choices",
		`{}`:                    "no kind",
		`{"a": {}}`:             "no layer",
		`{"a": {"0": [1, 2]}}`:  "64 counts",
		`{"a": {"first": [1]}}`: "want a number",
	} {
		if _, err := ReadTexts(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...", text, err, want)
		}
	}
	if _, err := NewTrace("weekly", ZipfTexts(1, 1), 1); err == nil {
		t.Error("an unknown trace is accepted")
	}
	if _, err := New(Config{Trace: hours(t, "shift", 0, 1), Peak: 4, SlotsPerNode: 65}); err == nil {
		t.Error("65 slots for 64 experts are accepted")
	}
}

// TestMeasuredTexts: each token chooses 8 experts, in the measured counts too.
func TestMeasuredTexts(t *testing.T) {
	f, err := os.Open(goldentest.Path(t, goldentest.Counts))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	texts, err := ReadTexts(f)
	if err != nil {
		t.Fatal(err)
	}
	for k, text := range append(texts, ZipfTexts(2, 9)...) {
		for l, row := range text {
			var sum float64
			for _, p := range row {
				sum += p
			}
			if sum < 7.9 || sum > 8.001 {
				t.Errorf("kind %d, layer %d: a token chooses %.3f experts, want 8", k, l, sum)
			}
		}
	}
}
