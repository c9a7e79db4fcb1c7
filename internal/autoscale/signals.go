package autoscale

import (
	"fmt"
	"math"
	"time"
)

// signals are the figures of all nodes, as they would be with Wanted nodes.
type signals struct {
	busiest     string // the node that computes most
	utilization float64
	total       float64 // utilisation of all nodes together
	slowest     string  // the node where requests wait longest
	queue       time.Duration
}

// readSignals says what is missing (problem, which begins with what it is about), or
// fills d.signals.
func (d *decision) readSignals() (about, problem string) {
	seen := make([]bool, d.Wanted)
	s := signals{utilization: -1, queue: -1}
	for _, n := range d.Nodes {
		if n.Ordinal < 0 || n.Ordinal >= d.Wanted {
			continue
		}
		if about, figures := n.problem(); about != "" {
			return about, about + figures
		}
		seen[n.Ordinal] = true
		s.add(n)
	}
	for ordinal, ok := range seen {
		if !ok {
			about = fmt.Sprintf("node %d of %d has not answered", ordinal, d.Wanted)
			return about, about
		}
	}
	if d.memory.Before < 0 {
		about = "what the nodes tell is of before the last change, too"
		return about, about
	}
	d.signals = d.shifted(s)
	return "", ""
}

func (s *signals) add(n Node) {
	u := min(n.Utilization, 1)
	s.total += u
	if u > s.utilization {
		s.busiest, s.utilization = n.Name, u
	}
	if n.Queue > s.queue {
		s.slowest, s.queue = n.Name, n.Queue
	}
}

// problem is why nothing can be concluded from what the node said: what it is about,
// and the figures.
func (n *Node) problem() (about, figures string) {
	switch {
	case !n.Ready:
		return fmt.Sprintf("node %s is not ready", n.Name), ""
	case n.Age < 0 || n.Age > MaxAge:
		return fmt.Sprintf("the last answer of node %s is", n.Name), fmt.Sprintf(" %v old", n.Age.Round(time.Second))
	case n.Covered < MinCovered:
		return fmt.Sprintf("node %s has served for only", n.Name), fmt.Sprintf(" %v", n.Covered.Round(time.Second))
	case !(n.Utilization >= 0) || math.IsInf(n.Utilization, 0) || n.Queue < 0:
		return fmt.Sprintf("node %s says what cannot be", n.Name), fmt.Sprintf(": that it is busy %v of its time and requests wait %v", n.Utilization, n.Queue)
	}
	return "", ""
}

// shifted restates figures from before the last steps for the number of nodes
// that there are now: the same load on more or fewer nodes.
func (d *decision) shifted(s signals) signals {
	before := d.memory.Before
	if before == 0 || before == d.Wanted || d.Wanted == 0 {
		return s
	}
	by := float64(before) / float64(d.Wanted)
	s.queue = queueAt(s.queue, s.utilization, s.utilization*by)
	s.utilization *= by
	s.total *= by
	return s
}

// queueAt is the wait to expect when utilisation goes from u to v: it grows as
// u/(1-u), as in any queue with random arrivals (Pollaczek and Khinchine). Above
// maxUtilization the formula only says "very long".
func queueAt(queue time.Duration, u, v float64) time.Duration {
	ratio := func(x float64) float64 { x = min(max(x, 0), maxUtilization); return x / (1 - x) }
	if queue == 0 || ratio(u) == 0 {
		return queue
	}
	return time.Duration(float64(queue) * ratio(v) / ratio(u))
}

const maxUtilization = 0.98
