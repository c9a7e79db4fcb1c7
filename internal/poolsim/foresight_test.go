package poolsim

import (
	"math"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// TestNeeds: what is needed answers within the bound, and no smaller number does.
func TestNeeds(t *testing.T) {
	s := simulator(t, hours(t, "all", 7, 1), 16)
	need, err := s.Needs()
	if err != nil {
		t.Fatal(err)
	}
	trace, above := s.config.Trace, 0
	for i := 0; i < len(need); i += 97 {
		rate := s.rate() * trace.Demand[i]
		if most, _ := s.carries(need[i], trace.Mix[i]); most < rate*(1-1e-9) {
			t.Fatalf("slot %d: %d nodes carry %.0f frames a second, there are %.0f", i, need[i], most, rate)
		}
		for fewer := s.MinNodes(); fewer < need[i]; fewer++ {
			above++
			if most, _ := s.carries(fewer, trace.Mix[i]); most >= rate {
				t.Fatalf("slot %d: %d nodes would do, %d are said to be needed", i, fewer, need[i])
			}
		}
	}
	if above == 0 {
		t.Error("the fewest nodes that hold the model always do: the test shows nothing")
	}
}

// TestLeastIsLeast: a policy that knows the day needs more than the bound, a tuned one
// that does not needs more than that, and the one that knows takes one node at a time.
func TestLeastIsLeast(t *testing.T) {
	s := simulator(t, hours(t, "diurnal", 9, 1), 16)
	need, err := s.Needs()
	if err != nil {
		t.Fatal(err)
	}
	ahead, err := TuneAll(s.InSteps(need), s)
	if err != nil || !ahead.Kept {
		t.Fatalf("%+v, %v", ahead, err)
	}
	nodes := ahead.Days[0].Nodes
	for i := 1; i < len(nodes); i++ {
		if by := nodes[i] - nodes[i-1]; by < -1 || by > 1 {
			t.Fatalf("slot %d: from %d to %d nodes", i, nodes[i-1], nodes[i])
		}
	}
	ours, err := Tune(ours(8, 48, steps(30, 95, 5), 3*time.Millisecond, load.DefaultWindow), s)
	if err != nil || !ours.Kept {
		t.Fatalf("%+v, %v", ours, err)
	}
	if least := s.Least(need); least >= ahead.NodeHours() || ahead.NodeHours() >= ours.NodeHours() {
		t.Errorf("node-hours: at least %.1f, with foresight %.1f, without %.1f", least, ahead.NodeHours(), ours.NodeHours())
	}
}

// TestLeastByHand: of three slots one may be left out, the one that saves most per token.
func TestLeastByHand(t *testing.T) {
	demand := []float64{1, 1, 198} // two tokens of 200 may be late: both of the first slots
	s := &Simulator{config: Config{Trace: &Trace{Demand: demand}, SlotsPerNode: 64}, plans: &plans{slots: 64}}
	if got, want := s.Least([]int{11, 21, 31}), (1.0+1+31)*Slot/3600; math.Abs(got-want) > 1e-9 {
		t.Errorf("%v node-hours, want %v: one node in the first two slots, 31 in the third", got, want)
	}
}

// TestTuneForSeveralDays: one target for two days is that of the harder one.
func TestTuneForSeveralDays(t *testing.T) {
	calm, hard := simulator(t, hours(t, "diurnal", 3, .25), 16), simulator(t, hours(t, "diurnal", 15, .25), 16)
	c := Candidate{Name: "fixed", Unit: " nodes", Targets: falling(8, 32), New: func(n float64) Policy { return Static(int(n)) }}
	both, err := Tune(c, calm, hard)
	if err != nil || !both.Kept || len(both.Days) != 2 {
		t.Fatalf("%+v, %v", both, err)
	}
	one, err := Tune(c, hard)
	if err != nil || one.Target != both.Target {
		t.Errorf("for both days %s, for the harder one %s: %v", both.Target, one.Target, err)
	}
}

// TestOursLooksAsTheOperator: four times in a window, and not in between.
func TestOursLooksAsTheOperator(t *testing.T) {
	looks := 0
	s := simulator(t, hours(t, "diurnal", 15, .25), 16)
	o := observed(20, .5)
	nodes := o.Nodes
	o.Nodes = func(slots int) []autoscale.Node {
		looks++
		if slots != 12 {
			t.Errorf("means over %d slots, want the 12 of a minute", slots)
		}
		return nodes(slots)
	}
	o.day = &day{config: s.config, plans: s.plans}
	o.day.install(20, 0)
	p := byLoad(8, 40)
	for now := time.Duration(0); now < time.Minute; now += Slot * time.Second {
		p.Want(now, o)
	}
	if looks != 4 {
		t.Errorf("%d looks in a minute, want 4", looks)
	}
}
