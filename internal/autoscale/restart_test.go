package autoscale

import (
	"testing"
	"time"
)

// outStep is a pool that needs 5 nodes: it has 4, and the fifth is there 10 s after the step.
// Figures are about the last minute, as nodes tell them.
type outStep struct {
	now, ready time.Time
	wanted     int
	memory     Memory
	silent     bool // no node answers
}

// input is what is seen every 5 s: 3.2 nodes' worth of work, evenly spread.
func (p *outStep) input() Input {
	in := pool(p.wanted, 0)
	in.Now, in.Memory = p.now, p.memory
	in.Changing = p.wanted == 5 && p.now.Before(p.ready)
	if p.silent {
		in.Nodes = nil
		return in
	}
	since, serving := min(max(p.now.Sub(p.ready), 0), time.Minute), p.wanted
	if p.wanted < 5 {
		since, serving = 0, 4
	}
	u := 3.2/5*since.Minutes() + 3.2/4*(1-since.Minutes())
	for i := range in.Nodes {
		in.Nodes[i].Utilization, in.Nodes[i].Covered = u, time.Minute
	}
	if serving == 5 {
		in.Nodes[4].Utilization, in.Nodes[4].Covered = 3.2/5, since
	}
	return in
}

// TestFiguresOfBeforeAStep: whatever an operator forgets of a step, or does not hear after it,
// is not made up for by another step.
func TestFiguresOfBeforeAStep(t *testing.T) {
	for _, c := range []struct {
		name string
		at   func(p *outStep, since time.Duration) // since the step
	}{
		{"nothing happens", func(*outStep, time.Duration) {}},
		{"the operator restarts during the step", func(p *outStep, since time.Duration) {
			if since == 5*second {
				p.memory = p.memory.AfterRestart(p.now)
			}
		}},
		{"the operator restarts after the step", func(p *outStep, since time.Duration) {
			if since == 15*second {
				p.memory = p.memory.AfterRestart(p.ready)
			}
		}},
		{"no node answers once", func(p *outStep, since time.Duration) { p.silent = since == 20*second }},
	} {
		p := &outStep{now: noon, wanted: 4}
		held := 0 // decisions since the step is done
		for p.now.Before(noon.Add(5 * time.Minute)) {
			p.now = p.now.Add(5 * second)
			if p.wanted == 5 {
				c.at(p, p.now.Sub(p.ready)+10*second)
			}
			d := Decide(p.input())
			if d.Reason == ReasonSignalsMissing {
				held++
			}
			if p.memory = d.Memory; d.Nodes == 5 && p.wanted == 4 {
				p.wanted, p.ready = 5, p.now.Add(10*second)
			}
			if d.Nodes > 5 {
				t.Errorf("%s: %v after the step another: %s", c.name, p.now.Sub(p.ready)+10*second, d.Message)
				break
			}
		}
		if p.wanted != 5 || held > int(time.Minute/(5*second))+1 {
			t.Errorf("%s: %d nodes, nothing decided for %d looks", c.name, p.wanted, held)
		}
	}
}

// TestSomeNodesAnswer: those that do not may tell of the time before the step when they do.
func TestSomeNodesAnswer(t *testing.T) {
	in := pool(5, .8).with(hotFor(time.Minute))
	in.Memory.Before, in.Memory.Moving = 4, noon.Add(-20*second)
	all := in.Nodes
	in.Nodes = all[4:] // the new one
	in.Nodes[0].Covered = 15 * second
	in.Memory = Decide(in).Memory
	in.Nodes = all
	in.Memory.HotSince = noon.Add(-time.Minute)
	if d := Decide(in); d.Nodes != 5 || d.Memory.Before != 4 {
		t.Errorf("80 %% of 4 nodes on 5: %d nodes, %s, before %d", d.Nodes, d.Message, d.Memory.Before)
	}
}
