package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// stats tell that things happened at all.
type stats struct {
	steps, rounds, crashes, documents, rebalances, scalings, calls, restarted int
	waits, faults, losses, specs, urgent, partings, reversals, restRounds     int

	writes map[string]int
}

// count is one of them, and how it is told.
type count struct {
	n    *int
	what string
}

// counts are all but the writes.
func (s *stats) counts() []count {
	return []count{
		{&s.steps, "steps"}, {&s.rounds, "rounds of the operator"}, {&s.crashes, "crashes"},
		{&s.documents, "documents"}, {&s.rebalances, "rebalances"}, {&s.scalings, "scalings"},
		{&s.calls, "calls"}, {&s.restarted, "started over"}, {&s.waits, "waits"},
		{&s.faults, "faults"}, {&s.losses, "losses of the record"}, {&s.specs, "specs"},
		{&s.urgent, "urgent targets"}, {&s.partings, "partings"}, {&s.reversals, "reversals"},
		{&s.restRounds, "rounds to rest"},
	}
}

func add(a, b stats) stats {
	more := a.counts()
	for i, c := range b.counts() {
		*c.n += *more[i].n
	}
	b.writes = maps.Clone(b.writes)
	for k, n := range a.writes {
		b.writes[k] += n
	}
	return b
}

func (s stats) String() string {
	var list []string
	for _, c := range s.counts() {
		list = append(list, fmt.Sprintf("%d %s", *c.n, c.what))
	}
	text := list[0] + ": " + strings.Join(list[1:], ", ") + "; writes:"
	for _, k := range slices.Sorted(maps.Keys(s.writes)) {
		text += fmt.Sprintf(" %s %d", k, s.writes[k])
	}
	return text
}
