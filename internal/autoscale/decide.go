package autoscale

import (
	"fmt"
	"strconv"
	"time"
)

// Decide applies the rules of the package comment. It keeps: the answer differs
// from Wanted by at most one; it differs only towards the range where Wanted is
// outside of it, and never leaves it; without complete, fresh signals it moves
// only towards the range.
func Decide(in Input) Decision {
	d := &decision{Input: in, memory: in.Memory}
	d.Settings = d.Settings.withDefaults()
	if err := d.Settings.Check(); err != nil {
		return d.hold(ReasonInvalid, err.Error()).about(err.Error())
	}
	d.settle()
	low, high := d.bounds()
	switch {
	case d.Changing && !d.endless(high):
		d.watch()
		return d.hold(ReasonStepInProgress, "the pool is changing; the next step waits for it")
	case d.Wanted < low:
		return d.step(+1, ReasonBelowMinimum, fmt.Sprintf("%d nodes are fewer than the %d that %s", d.Wanted, low, d.whyLow()))
	case d.Wanted > high:
		return d.step(-1, ReasonAboveMaximum, fmt.Sprintf("%d nodes are more than the maximum of %d", d.Wanted, high))
	}
	if about, problem := d.readSignals(); problem != "" {
		d.memory.HotSince, d.memory.IdleSince = time.Time{}, time.Time{}
		return d.hold(ReasonSignalsMissing, problem+", so the number of nodes stays").about(about)
	}
	if reason, message := d.hot(); reason != "" {
		return d.out(reason, message, high)
	}
	d.memory.HotSince = time.Time{}
	return d.in(low)
}

// decision is one call of Decide.
type decision struct {
	Input
	memory  Memory
	signals signals
}

// endless says whether the change under way may never end: without room for the model no
// placement can be made, and nodes above the range may find no machine.
func (d *decision) endless(high int) bool {
	return d.Wanted < d.MinNodes || d.Wanted > high && d.MissingFrom >= high
}

func (d *decision) whyLow() string {
	if d.MinNodes > d.Settings.Min {
		return "have room for every expert and its replicas"
	}
	return "scaling.min asks for"
}

// settle notes whether the number of nodes is changing, and forgets the number
// before that once every node's figures are about the time after it. A node that
// has not answered may tell of the time before when it does.
func (d *decision) settle() {
	m := &d.memory
	if d.Changing && !d.SameNodes {
		m.Moving = d.Now
		if m.Before == 0 {
			m.Before = d.Wanted
		}
		return
	}
	var covered time.Duration
	answered := 0
	for _, n := range d.Nodes {
		if n.Ordinal >= 0 && n.Ordinal < d.Wanted {
			answered++
			covered = max(covered, n.Covered+n.Age)
		}
	}
	if answered == d.Wanted && d.Now.Sub(m.Moving) >= covered {
		m.Before = 0
	}
}

// watch ends the windows that do not last through a change. A pool of which not all is
// seen is not known to be idle. A hot one may stay so: a step out goes on without the
// signals of the node that it adds, and may take longer than the window.
func (d *decision) watch() {
	if _, problem := d.readSignals(); problem != "" {
		d.memory.IdleSince = time.Time{}
		return
	}
	if reason, _ := d.hot(); reason == "" {
		d.memory.HotSince = time.Time{}
	}
	if _, ok := d.idle(); !ok {
		d.memory.IdleSince = time.Time{}
	}
}

// out adds a node, unless the maximum, a window or a better placement is in the way.
func (d *decision) out(reason, message string, high int) Decision {
	d.memory.IdleSince = time.Time{}
	if d.memory.HotSince.IsZero() {
		d.memory.HotSince = d.Now
	}
	switch until := d.memory.HotSince.Add(ScaleOutWindow); {
	case d.Wanted >= high:
		return d.hold(ReasonAtMaximum, fmt.Sprintf("%s; %d nodes are the maximum: raise scaling.max", message, high)).about(strconv.Itoa(high))
	case d.Now.Before(until):
		return d.wait(ReasonStabilising, message+"; one more node if that lasts", until).about("out")
	}
	if until := d.memory.HotSince.Add(RebalanceWindow); d.Now.Before(until) && d.rebalanceWouldDo() {
		return d.wait(ReasonRebalancing, message+"; a better placement on the same nodes would do", until)
	}
	if until := d.reversalUntil(+1); d.Now.Before(until) {
		return d.wait(ReasonReversal, message+"; the pool has turned only just before", until).about("out")
	}
	return d.step(+1, reason, message+": one more node")
}

// in removes a node if that was possible for long enough and is possible now.
func (d *decision) in(low int) Decision {
	message, ok := d.idle()
	if !ok {
		d.memory.IdleSince = time.Time{}
		return d.hold(ReasonOnTarget, message)
	}
	if d.Wanted <= low {
		d.memory.IdleSince = time.Time{}
		return d.hold(ReasonAtMinimum, fmt.Sprintf("%s; %d nodes are the fewest that %s", message, low, d.whyLow())).about(fmt.Sprint(low, d.whyLow()))
	}
	if d.memory.IdleSince.IsZero() {
		d.memory.IdleSince = d.Now
	}
	if until := d.memory.IdleSince.Add(ScaleInWindow); d.Now.Before(until) {
		return d.wait(ReasonStabilising, message+"; one node less if that lasts", until).about("in")
	}
	if until := d.reversalUntil(-1); d.Now.Before(until) {
		return d.wait(ReasonReversal, message+"; the pool has turned only just before", until).about("in")
	}
	if problem := d.simulateIn(); problem != "" {
		d.memory.IdleSince = time.Time{} // and the next simulation after another window
		return d.hold(ReasonTooTight, problem)
	}
	return d.step(-1, ReasonIdle, message+": one node less")
}
