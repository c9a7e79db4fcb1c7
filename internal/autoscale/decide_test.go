package autoscale

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// long is longer than every window.
const long = time.Hour

func TestDecide(t *testing.T) {
	cases := []struct {
		name    string
		in      Input
		nodes   int
		reason  string
		message string // part of it
	}{
		// rule 1: one step at a time
		{"hot while changing", pool(3, .9).with(hotFor(long)).with(func(in *Input) { in.Changing = true }), 3, ReasonStepInProgress, "waits"},
		{"outside of the range while changing", pool(3, .5).with(func(in *Input) { in.Changing, in.Settings.Min = true, 5 }), 3, ReasonStepInProgress, ""},
		{"a node above max does not come", pool(5, .5).with(func(in *Input) { in.Changing, in.MissingFrom, in.Settings.Max = true, 4, 3 }), 4, ReasonAboveMaximum, "maximum of 3"},
		{"nor does one within", pool(5, .5).with(func(in *Input) { in.Changing, in.MissingFrom, in.Settings.Max = true, 2, 3 }), 5, ReasonStepInProgress, ""},
		{"above max, something else changes", pool(5, .5).with(func(in *Input) { in.Changing, in.Settings.Max = true, 3 }), 5, ReasonStepInProgress, ""},
		{"a node at max does not come", pool(3, .5).with(func(in *Input) { in.Changing, in.MissingFrom, in.Settings.Max = true, 2, 3 }), 3, ReasonStepInProgress, ""},
		{"no room for the model, while changing", pool(2, .5).with(func(in *Input) { in.Changing, in.MinNodes = true, 4 }), 3, ReasonBelowMinimum, "have room"},
		{"nor with the node of the last step", pool(3, .5).with(func(in *Input) { in.Changing, in.MissingFrom, in.MinNodes, in.Nodes = true, 2, 4, nil }), 4, ReasonBelowMinimum, "have room"},
		{"room, but below min, while changing", pool(3, .5).with(func(in *Input) { in.Changing, in.MinNodes, in.Settings.Min = true, 3, 5 }), 3, ReasonStepInProgress, ""},
		// rule 2: towards the range, without signals too
		{"below min", pool(3, .1).with(func(in *Input) { in.Settings.Min = 5 }), 4, ReasonBelowMinimum, "fewer than the 5 that scaling.min"},
		{"below min without signals", pool(3, .1).with(func(in *Input) { in.Settings.Min, in.Nodes = 5, nil }), 4, ReasonBelowMinimum, ""},
		{"below what experts need", pool(3, .1).with(func(in *Input) { in.MinNodes = 4 }), 4, ReasonBelowMinimum, "have room"},
		{"above max", pool(5, .9).with(func(in *Input) { in.Settings.Max = 3 }), 4, ReasonAboveMaximum, "maximum of 3"},
		{"above max without signals", pool(5, .9).with(func(in *Input) { in.Settings.Max, in.Nodes = 3, nil }), 4, ReasonAboveMaximum, ""},
		{"max below what experts need", pool(3, .9).with(hotFor(long)).with(func(in *Input) { in.MinNodes, in.Settings.Max = 3, 2 }), 3, ReasonAtMaximum, "maximum"},
		// rule 3: signals
		{"a node is missing", pool(3, .9).with(hotFor(long)).with(func(in *Input) { in.Nodes = in.Nodes[:2] }), 3, ReasonSignalsMissing, "node 2 of 3 has not answered"},
		{"a node is lost in an idle pool", pool(3, .01).with(idleFor(long)).with(func(in *Input) { in.Nodes = in.Nodes[1:] }), 3, ReasonSignalsMissing, "node 0 of 3"},
		{"not ready", pool(3, .9).with(hotFor(long)).with(func(in *Input) { in.Nodes[1].Ready = false }), 3, ReasonSignalsMissing, "experts-1 is not ready"},
		{"stale", pool(3, .9).with(hotFor(long)).with(func(in *Input) { in.Nodes[1].Age = MaxAge + second }), 3, ReasonSignalsMissing, "31s old"},
		{"from the future", pool(3, .9).with(hotFor(long)).with(func(in *Input) { in.Nodes[1].Age = -second }), 3, ReasonSignalsMissing, "old"},
		{"too young", pool(3, .01).with(idleFor(long)).with(func(in *Input) { in.Nodes[1].Covered = second }), 3, ReasonSignalsMissing, "only 1s"},
		{"not a number", pool(3, .9).with(hotFor(long)).with(func(in *Input) { in.Nodes[1].Utilization = math.NaN() }), 3, ReasonSignalsMissing, "cannot be"},
		{"a leaving node does not count", pool(4, .3).with(func(in *Input) { in.Wanted, in.Nodes[3].Ready, in.Pool.Nodes = 3, false, in.Pool.Nodes[:3] }), 3, ReasonStabilising, ""},
		// rule 4: out
		{"hot at first", pool(3, .8), 3, ReasonStabilising, "busy 80 % of its time, the target is 70 %"},
		{"hot long enough", pool(3, .8).with(hotFor(ScaleOutWindow)), 4, ReasonBusy, "pool-experts-0 is busy 80 %"},
		{"one hot node, cannot be placed better", pool(3, .3).with(hotFor(long)).with(func(in *Input) { in.Nodes[2].Utilization, in.Pool.Loads = .8, nil }), 4, ReasonBusy, "experts-2"},
		{"requests wait", pool(3, .5).with(hotFor(long)).with(func(in *Input) { in.Nodes[1].Queue = 3 * time.Millisecond }), 4, ReasonQueue, "wait 3ms at node pool-experts-1"},
		{"hot at the maximum", pool(8, .9).with(hotFor(long)), 8, ReasonAtMaximum, "raise scaling.max"},
		{"requests wait, which no placement changes", pool(3, .5).with(hotFor(ScaleOutWindow)).with(func(in *Input) { in.Nodes[1].Queue = 3 * time.Millisecond }), 4, ReasonQueue, ""},
		{"just at the target", pool(3, .7).with(hotFor(long)), 3, ReasonOnTarget, ""},
		// rule 5: in
		{"idle at first", pool(3, .2), 3, ReasonStabilising, "with 2 nodes it would be 30 %"},
		{"idle long enough", pool(3, .2).with(idleFor(ScaleInWindow)), 2, ReasonIdle, "one node less"},
		{"idle, but others would be too busy", pool(3, .45).with(idleFor(long)), 3, ReasonOnTarget, "68 %"},
		{"idle, but requests would wait", pool(3, .3).with(idleFor(long)).with(func(in *Input) { in.Nodes[1].Queue = 1800 * time.Microsecond }), 3, ReasonOnTarget, ""},
		{"idle at the minimum", pool(2, .1).with(idleFor(long)).with(func(in *Input) { in.Settings.Min = 2 }), 2, ReasonAtMinimum, "scaling.min"},
		{"idle, experts need the nodes", pool(2, .1).with(idleFor(long)).with(func(in *Input) { in.MinNodes = 2 }), 2, ReasonAtMinimum, "have room"},
		{"idle, no loads", pool(3, .1).with(idleFor(long)).with(func(in *Input) { in.Pool.Loads = nil }), 3, ReasonTooTight, "not known"},
		{"no traffic", pool(3, 0).with(idleFor(long)).with(func(in *Input) { in.Pool.Loads = [][]float64{make([]float64, 8), make([]float64, 8)} }), 2, ReasonIdle, ""},
		{"busy, but without load", pool(3, .1).with(idleFor(long)).with(func(in *Input) { in.Pool.Loads = [][]float64{make([]float64, 8), make([]float64, 8)} }), 3, ReasonTooTight, "no expert has load"},
		{"idle, by figures of half as many nodes", pool(4, .8).with(idleFor(long)).with(func(in *Input) { in.Memory.Before, in.Memory.Moving = 2, noon }), 3, ReasonIdle, ""},
		{"no placement on fewer nodes", pool(3, .1).with(idleFor(long)).with(func(in *Input) { in.Pool.SlotsPerNode = 3 }), 3, ReasonTooTight, "slots"},
		{"one node", pool(1, 0).with(idleFor(long)), 1, ReasonOnTarget, ""},
		// settings
		{"min above max", pool(3, .9).with(func(in *Input) { in.Settings.Min = 9 }), 3, ReasonInvalid, "min 9, max 8"},
		{"no percentage", pool(3, .9).with(func(in *Input) { in.Settings.TargetUtilization = 170 }), 3, ReasonInvalid, "170"},
		{"negative wait", pool(3, .9).with(func(in *Input) { in.Settings.TargetQueue = -1 }), 3, ReasonInvalid, "targetQueueMilliseconds"},
		{"default targets", pool(3, .99).with(hotFor(long)).with(func(in *Input) { in.Settings = Settings{Min: 1, Max: 8} }), 4, ReasonBusy, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(c.in)
			if d.Nodes != c.nodes || d.Reason != c.reason || !strings.Contains(d.Message, c.message) {
				t.Errorf("got %d %s %q\nwant %d %s ...%q...", d.Nodes, d.Reason, d.Message, c.nodes, c.reason, c.message)
			}
		})
	}
}

// TestAbout: other figures are the same news, another node or limit is not.
func TestAbout(t *testing.T) {
	young := func(i int, d time.Duration) Input {
		return pool(3, .9).with(func(in *Input) { in.Nodes[i].Covered = d })
	}
	at := func(limit int, utilization float64) Input {
		return pool(limit, utilization).with(hotFor(long)).with(func(in *Input) { in.Settings.Max = limit })
	}
	low := func(limit int, utilization float64) Input {
		return pool(limit, utilization).with(func(in *Input) { in.Settings.Min = limit })
	}
	turned := func(n int, utilization float64, last int) Input {
		return pool(n, utilization).with(hotFor(long)).with(idleFor(long)).with(func(in *Input) {
			in.Memory.Direction, in.Memory.Reversed = last, noon.Add(-second)
		})
	}
	cases := []struct {
		name string
		a, b Input
		same bool
	}{
		{"figures of a node", young(1, second), young(1, 2*second), true},
		{"another node", young(1, second), young(2, second), false},
		{"another trouble of the node", young(1, second), pool(3, .9).with(func(in *Input) { in.Nodes[1].Ready = false }), false},
		{"figures at the maximum", at(3, .9), at(3, .8), true},
		{"another maximum", at(3, .9), at(4, .9), false},
		{"another minimum", low(2, .1), low(3, .1), false},
		{"figures on target", pool(3, .7), pool(3, .65), true},
		{"figures of a hot pool", pool(3, .8), pool(3, .9), true},
		{"from too many to too few", pool(3, .2), pool(3, .8), false},
		{"from too many to too few within ten minutes", turned(3, .2, 1), turned(3, .8, -1), false},
	}
	for _, c := range cases {
		a, b := Decide(c.a), Decide(c.b)
		if a.Message == b.Message || a.Reason != b.Reason || (a.About == b.About) != c.same {
			t.Errorf("%s: %s about %q, then %s about %q", c.name, a.Reason, a.About, b.Reason, b.About)
		}
	}
}

// TestScaleInNeedsThePlan: three experts carry all load, so two nodes cannot
// share it evenly, whatever the mean says.
func TestScaleInNeedsThePlan(t *testing.T) {
	in := pool(3, .4).with(idleFor(long)).with(func(in *Input) {
		in.Pool.Loads = [][]float64{{10, 10, 10, 0, 0, 0, 0, 0}, make([]float64, 8)}
		in.Pool.SlotsPerNode = 4 // no room for copies on 2 nodes
	})
	d := Decide(in)
	if d.Nodes != 3 || d.Reason != ReasonTooTight || !strings.Contains(d.Message, "busy 80 %") {
		t.Errorf("got %d %s %q, want to stay at 3: 20 of 30 tokens on one of 2 nodes make it 80 %% busy", d.Nodes, d.Reason, d.Message)
	}
}

// TestRebalanceComesFirst: a hot node whose load others could take is left to the
// balancer, but not for ever.
func TestRebalanceComesFirst(t *testing.T) {
	uneven := func(in *Input) {
		in.Nodes[0].Utilization = .9
		in.Pool.Current = &placement.Placement{Layers: 2, Experts: 8, Nodes: []placement.Node{
			{Name: nodeName(0), Experts: [][]int{{0, 1, 2, 3, 4}, {0, 1, 2, 3}}},
			{Name: nodeName(1), Experts: [][]int{{5}, {4, 5}}},
			{Name: nodeName(2), Experts: [][]int{{6, 7}, {6, 7}}},
		}}
	}
	in := pool(3, .3).with(uneven).with(hotFor(ScaleOutWindow))
	d := Decide(in)
	if d.Nodes != 3 || d.Reason != ReasonRebalancing || !d.Until.Equal(in.Memory.HotSince.Add(RebalanceWindow)) {
		t.Errorf("got %d %s until %v, want to wait for a rebalance", d.Nodes, d.Reason, d.Until)
	}
	off := in.with(func(in *Input) { in.CanRebalance = false })
	if d := Decide(off); d.Nodes != 4 {
		t.Errorf("got %d %s, want a node: nobody moves experts", d.Nodes, d.Reason)
	}
	in.CanRebalance = true
	if d := Decide(in.with(hotFor(RebalanceWindow))); d.Nodes != 4 {
		t.Errorf("got %d %s, want a node: the rebalance did not come", d.Nodes, d.Reason)
	}
	slow := in.with(func(in *Input) { in.Pool.Current = mustPlan(t, in.Pool) })
	if d := Decide(slow); d.Nodes != 4 {
		t.Errorf("got %d %s, want a node: the placement is even, the node is slow", d.Nodes, d.Reason)
	}
}

// TestReversals: up, down, and up again must wait for ten minutes; the first
// turn need not.
func TestReversals(t *testing.T) {
	grew := func(in *Input) { in.Memory.Direction, in.Memory.Changed = 1, noon.Add(-time.Minute) }
	d := Decide(pool(3, .2).with(idleFor(long)).with(grew))
	if d.Nodes != 2 || d.Memory.Direction != -1 || !d.Memory.Reversed.Equal(noon) || !d.Memory.Changed.Equal(noon) {
		t.Fatalf("the first turn: got %d %s, memory %+v", d.Nodes, d.Reason, d.Memory)
	}
	in := pool(2, .95).with(func(in *Input) { in.Memory = d.Memory })
	in.Memory.HotSince, in.Memory.Moving, in.Memory.Before = noon, time.Time{}, 0
	in.Now = noon.Add(ReversalWindow - second)
	if d := Decide(in); d.Nodes != 2 || d.Reason != ReasonReversal || !d.Until.Equal(noon.Add(ReversalWindow)) {
		t.Errorf("the second turn, 9:59 after the first: got %d %s until %v", d.Nodes, d.Reason, d.Until)
	}
	in.Now = noon.Add(ReversalWindow)
	if d := Decide(in); d.Nodes != 3 || !d.Memory.Reversed.Equal(in.Now) {
		t.Errorf("the second turn, 10:00 after the first: got %d %s", d.Nodes, d.Reason)
	}
	in.Memory.Direction = 1
	in.Now = noon.Add(time.Minute)
	if d := Decide(in); d.Nodes != 3 || !d.Memory.Reversed.Equal(noon) {
		t.Errorf("the same direction again: got %d %s, want a step that is no reversal", d.Nodes, d.Reason)
	}
}

// TestStepsAreCounted: right after a step the figures are still about the time
// before it. They count as they would be now.
func TestStepsAreCounted(t *testing.T) {
	step := Decide(pool(3, .8).with(hotFor(long)))
	if step.Nodes != 4 || step.Memory.Before != 3 {
		t.Fatalf("got %d, before %d", step.Nodes, step.Memory.Before)
	}
	next := pool(4, .8).with(func(in *Input) { in.Memory, in.Now = step.Memory, noon.Add(10*second) })
	if d := Decide(next); d.Nodes != 4 || d.Reason != ReasonOnTarget || !strings.Contains(d.Message, "60 %") {
		t.Errorf("80 %% of 3 nodes is 60 %% of 4: got %d %s %q", d.Nodes, d.Reason, d.Message)
	}
	next.Nodes[0].Utilization = .97
	next.Memory.HotSince = noon.Add(-long)
	if d := Decide(next); d.Nodes != 5 || d.Memory.Before != 3 {
		t.Errorf("97 %% of 3 nodes is 73 %% of 4: got %d %s, want the next step at once", d.Nodes, d.Reason)
	}
	next.Now = noon.Add(32 * second) // covered 30 s, told 1 s ago: all of it after the step
	next.Nodes[0].Utilization = .8
	if d := Decide(next); d.Nodes != 5 || d.Memory.Before != 4 {
		t.Errorf("80 %% measured after the step: got %d %s before %d", d.Nodes, d.Reason, d.Memory.Before)
	}
}

// TestWindowsStartAnew: what interrupts a window starts it again.
func TestWindowsStartAnew(t *testing.T) {
	for name, in := range map[string]Input{
		"a lost signal":          pool(3, .9).with(hotFor(second)).with(idleFor(second)).with(func(in *Input) { in.Nodes = nil }),
		"on target":              pool(3, .65).with(hotFor(second)).with(idleFor(second)),
		"a plan that is refused": pool(3, .2).with(idleFor(long)).with(func(in *Input) { in.Pool.Loads = nil }),
	} {
		if m := Decide(in).Memory; !m.HotSince.IsZero() || !m.IdleSince.IsZero() {
			t.Errorf("%s: memory %+v, want no window", name, m)
		}
	}
	if m := Decide(pool(3, .9).with(idleFor(second))).Memory; !m.HotSince.Equal(noon) || !m.IdleSince.IsZero() {
		t.Errorf("hot: memory %+v, want only HotSince", m)
	}
}

// TestWindowsDuringAChange: what is seen while the pool is changing ends a window, too. Five
// idle minutes are measured; a step out of a hot pool may take longer than its window.
func TestWindowsDuringAChange(t *testing.T) {
	lost := func(in *Input) { in.Nodes = in.Nodes[1:] }
	cases := []struct {
		name      string
		in        Input
		hot, idle bool // what is left
	}{
		{"idle all the time", pool(3, .2).with(idleFor(second)), false, true},
		{"on target", pool(3, .65).with(hotFor(second)).with(idleFor(second)), false, false},
		{"hot", pool(3, .9).with(hotFor(second)).with(idleFor(second)), true, false},
		{"nobody knows", pool(3, .2).with(hotFor(second)).with(idleFor(second)).with(lost), true, false},
	}
	for _, c := range cases {
		m := Decide(c.in.with(func(in *Input) { in.Changing = true })).Memory
		if m.HotSince.IsZero() == c.hot || m.IdleSince.IsZero() == c.idle {
			t.Errorf("%s: memory %+v, want hot %t, idle %t", c.name, m, c.hot, c.idle)
		}
	}
	in := pool(3, .2).with(lost).with(idleFor(second)).with(func(in *Input) { in.Changing = true })
	m := Decide(in).Memory
	after := pool(3, .2).with(func(in *Input) { in.Now, in.Memory = noon.Add(2*ScaleInWindow), m })
	if d := Decide(after); d.Nodes != 3 || d.Reason != ReasonStabilising {
		t.Errorf("idle for one look before a restart of the pods and one after it: got %d %s, want five minutes first", d.Nodes, d.Reason)
	}
}
