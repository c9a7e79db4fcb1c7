package dispatch

import (
	"fmt"
	"slices"
	"strings"
)

// Status is what a Dispatcher sees, at one moment.
type Status struct {
	// ServingEpoch is the oldest epoch that any call uses: with no call under
	// way, the one that the next will use. Nodes may drop what only older ones need.
	ServingEpoch int64
	// ReadyEpoch is the highest epoch whose every expert has a ready owner.
	ReadyEpoch int64
	Covered    int // (layer, expert) pairs with a ready owner that answers, under the epoch of new calls
	Wanted     int // pairs in all
	Nodes      []NodeStatus
	// Problem says what is missing, for a person; empty when all is covered.
	Problem string
}

// Ready reports whether every expert has an owner.
func (s *Status) Ready() bool { return s.Wanted > 0 && s.Covered == s.Wanted }

// NodeStatus is one node as the router sees it.
type NodeStatus struct {
	Name, Address string
	Ready         bool // connected and not shutting down
	Draining      bool
	Silent        bool   // see Dispatcher.Silent
	Held          int    // (layer, expert) pairs loaded
	InFlight      int64  // pairs sent and not answered
	Problem       string // why it is not connected
}

// Status reports the state of placement and nodes.
func (d *Dispatcher) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Status{Wanted: d.opts.Layers * d.opts.Experts, ReadyEpoch: d.ready, ServingEpoch: d.currentEpoch()}
	for _, e := range d.retireEpochs() {
		if e.calls.Load() > 0 {
			s.ServingEpoch = min(s.ServingEpoch, e.number)
		}
	}
	if r := d.route.Load(); r != nil {
		s.Covered = r.covered - r.silent()
	}
	for _, n := range d.nodes {
		s.Nodes = append(s.Nodes, NodeStatus{Name: n.name, Address: n.address, Ready: n.ready(), Draining: n.draining, Silent: n.isSilent(),
			Held: n.held.Count(), InFlight: n.inflight.Load(), Problem: n.problem})
	}
	slices.SortFunc(s.Nodes, func(a, b NodeStatus) int { return strings.Compare(a.Name, b.Name) })
	s.Problem = s.problem()
	return s
}

func (s *Status) problem() string {
	if s.Ready() {
		return ""
	}
	if len(s.Nodes) == 0 {
		return "no placement yet"
	}
	text := fmt.Sprintf("%d of %d experts have a ready owner", s.Covered, s.Wanted)
	for i := range s.Nodes {
		if n := &s.Nodes[i]; !n.Ready || n.Silent {
			text += fmt.Sprintf("; expert node %s: %s", n.Name, n.why())
		}
	}
	return text
}

func (n *NodeStatus) why() string {
	switch {
	case n.Draining:
		return "shutting down"
	case n.Ready:
		return "does not answer"
	}
	return n.Problem
}
