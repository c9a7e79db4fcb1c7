package autoscale

import "time"

// step changes the number by one and remembers it.
//
// A step towards the range is the user's doing: it is free of rule 6, but sets
// the direction for the steps after it.
func (d *decision) step(by int, reason, message string) Decision {
	m := &d.memory
	if m.Direction == -by && (reason != ReasonBelowMinimum && reason != ReasonAboveMaximum) {
		m.Reversed = d.Now
	}
	m.Changed, m.Direction, m.Moving = d.Now, by, d.Now
	if m.Before == 0 {
		m.Before = d.Wanted
	}
	return Decision{Nodes: d.Wanted + by, Reason: reason, Message: message, Memory: *m}
}

// reversalUntil is when a step in this direction is allowed: at once, unless it
// would turn the direction for the second time in ReversalWindow.
func (d *decision) reversalUntil(by int) time.Time {
	if d.memory.Direction != -by || d.memory.Reversed.IsZero() {
		return time.Time{}
	}
	return d.memory.Reversed.Add(ReversalWindow)
}

func (d *decision) hold(reason, message string) Decision {
	return Decision{Nodes: d.Wanted, Reason: reason, Message: message, Memory: d.memory}
}

// about says what the message is about.
func (d Decision) about(what string) Decision {
	d.About = what
	return d
}

// wait holds a step that only time is in the way of.
func (d *decision) wait(reason, message string, until time.Time) Decision {
	h := d.hold(reason, message)
	h.Until = until
	return h
}
