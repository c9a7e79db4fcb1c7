package autoscale

import (
	"fmt"
	"time"
)

// hot says why a node is missing, if one is.
func (d *decision) hot() (reason, message string) {
	s := &d.signals
	switch {
	case s.utilization > d.Settings.utilization():
		return ReasonBusy, fmt.Sprintf("node %s is busy %s of its time, the target is %d %%", s.busiest, percent(s.utilization), d.Settings.TargetUtilization)
	case s.queue > d.Settings.TargetQueue:
		return ReasonQueue, fmt.Sprintf("requests wait %v at node %s, the target is %v", s.queue.Round(time.Microsecond), s.slowest, d.Settings.TargetQueue)
	}
	return "", ""
}

// idle says whether one node less looks possible when the load of the busiest
// node grows with its share; the plan decides in the end.
func (d *decision) idle() (string, bool) {
	s := &d.signals
	message := fmt.Sprintf("the busiest node, %s, is busy %s of its time", s.busiest, percent(s.utilization))
	if d.Wanted < 2 {
		return message, false
	}
	u := s.utilization * float64(d.Wanted) / float64(d.Wanted-1)
	return fmt.Sprintf("%s; with %d nodes it would be %s", message, d.Wanted-1, percent(u)), d.fits(u)
}

// fits says whether the busiest node may have utilisation u after a scale-in.
func (d *decision) fits(u float64) bool {
	q := queueAt(d.signals.queue, d.signals.utilization, u)
	return u <= d.Settings.utilization()*ScaleInMargin && float64(q) <= float64(d.Settings.TargetQueue)*ScaleInMargin
}

// simulateIn plans the same load on one node less; empty if that is enough.
func (d *decision) simulateIn() string {
	u, err := d.simulate(d.Wanted - 1)
	switch {
	case err != nil:
		return fmt.Sprintf("whether %d nodes would do cannot be simulated: %v", d.Wanted-1, err)
	case !d.fits(u):
		return fmt.Sprintf("planned on %d nodes, the busiest one would be busy %s of its time, or requests would wait longer than %d %% of the target",
			d.Wanted-1, percent(u), int(100*ScaleInMargin))
	}
	return ""
}

// rebalanceWouldDo says whether the same load, planned anew on the same nodes,
// would stay within the target. It is asked only about a hot pool; without loads, or
// anybody who moves experts, the answer is no.
func (d *decision) rebalanceWouldDo() bool {
	if !d.CanRebalance {
		return false
	}
	u, err := d.simulate(d.Wanted)
	return err == nil && u <= d.Settings.utilization() && queueAt(d.signals.queue, d.signals.utilization, u) <= d.Settings.TargetQueue
}

func percent(u float64) string { return fmt.Sprintf("%.0f %%", 100*u) }
