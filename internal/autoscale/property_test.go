package autoscale

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestRandomSignals asks for decisions about signals of every kind, sound and
// broken, and checks what must hold of each answer and of the whole history.
func TestRandomSignals(t *testing.T) {
	reached := 0 // reversals, of all seeds
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		in := pool(1+r.IntN(12), .5)
		in.Settings = Settings{Min: 1 + r.IntN(3), Max: 3 + r.IntN(6), TargetUtilization: 50 + r.IntN(40)}
		in.MinNodes = 1 + r.IntN(4)
		var turns []time.Time
		last := 0
		for step := range 500 {
			in = scramble(r, in)
			d := Decide(in)
			checkStep(t, in, d)
			if by := d.Nodes - in.Wanted; by != 0 {
				if by == -last && d.Reason != ReasonBelowMinimum && d.Reason != ReasonAboveMaximum {
					turns = append(turns, in.Now)
				}
				last = by
			}
			if n := len(turns); n > 1 && turns[n-1].Sub(turns[n-2]) < ReversalWindow {
				t.Fatalf("seed %d, step %d: two reversals within %v", seed, step, turns[n-1].Sub(turns[n-2]))
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
			in.Wanted, in.Memory = d.Nodes, d.Memory
		}
		reached += len(turns)
	}
	if reached == 0 {
		t.Error("no reversal at all: the test does not reach rule 6")
	}
}

// scramble is the next moment: some time later, other loads, and, in one case of
// three, signals that are broken in some way.
func scramble(r *rand.Rand, was Input) Input {
	in := pool(was.Wanted, 0)
	in.Settings, in.MinNodes, in.Memory = was.Settings, was.MinNodes, was.Memory
	in.Now = was.Now.Add(time.Duration(1+r.IntN(400)) * second)
	if in.Changing = r.IntN(5) == 0; in.Changing {
		in.MissingFrom = r.IntN(in.Wanted + 1)
	}
	busy := []float64{.02, .1, .6, .95}[r.IntN(4)]
	for i := range in.Nodes {
		in.Nodes[i].Utilization = busy + .04*r.Float64()
		in.Nodes[i].Queue = time.Duration(busy * float64(r.IntN(3e6)))
	}
	if r.IntN(3) == 0 {
		damage(r, &in)
	}
	return in
}

func damage(r *rand.Rand, in *Input) {
	n := &in.Nodes[r.IntN(len(in.Nodes))]
	switch r.IntN(6) {
	case 0:
		in.Nodes = nil
	case 1:
		n.Ready = false
	case 2:
		n.Age = MaxAge + second
	case 3:
		n.Covered = MinCovered - 1
	case 4:
		n.Utilization = math.Inf(1)
	case 5:
		n.Ordinal = in.Wanted // nobody answers for its own
	}
}

func checkStep(t *testing.T, in Input, d Decision) {
	t.Helper()
	by := d.Nodes - in.Wanted
	low := max(in.Settings.Min, in.MinNodes)
	high := max(in.Settings.Max, low)
	switch inside := in.Wanted >= low && in.Wanted <= high; {
	case by < -1 || by > 1:
		t.Errorf("from %d to %d: more than one node", in.Wanted, d.Nodes)
	case by != 0 && in.Changing && in.Wanted >= in.MinNodes && (in.Wanted <= high || in.MissingFrom < high):
		t.Error("a step during a step")
	case by != 1 && in.Wanted < in.MinNodes:
		t.Errorf("from %d to %d: %d have room for the model", in.Wanted, d.Nodes, in.MinNodes)
	case inside && (d.Nodes < low || d.Nodes > high):
		t.Errorf("%d is outside of %d..%d", d.Nodes, low, high)
	case in.Wanted < low && by < 0 || in.Wanted > high && by > 0:
		t.Errorf("from %d to %d: away from %d..%d", in.Wanted, d.Nodes, low, high)
	case !inside && !in.Changing && by == 0:
		t.Errorf("stays at %d, outside of %d..%d", in.Wanted, low, high)
	case inside && by != 0 && !sound(in):
		t.Errorf("from %d to %d (%s) on broken signals", in.Wanted, d.Nodes, d.Reason)
	case d.Reason == "" || d.Message == "":
		t.Error("no reason")
	}
}

// sound is a second opinion on rule 3.
func sound(in Input) bool {
	fit := 0
	for _, n := range in.Nodes {
		if n.Ready && n.Age <= MaxAge && n.Covered >= MinCovered && n.Utilization <= 1 && n.Ordinal < in.Wanted {
			fit++
		}
	}
	return fit == in.Wanted
}
