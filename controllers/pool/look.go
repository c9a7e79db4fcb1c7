package pool

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// look asks the expert nodes for their load, a few times in each window. The report is of
// the nodes of the placement; what other pods have computed, on their way in or out, counts
// for what experts cost. It ends soon after an alarm: the experts of a lost node wait until
// the round ends, and the load of the others can wait.
func (r *Reconciler) look(ctx context.Context, v *view) {
	l, w, p := &v.memory.looks, v.wanted, current(v.record.doc)
	if !w.measures() || p == nil || v.now.Sub(l.last) < w.lookInterval() {
		return
	}
	ctx, done := r.alarms.withAlarm(ctx, client.ObjectKeyFromObject(v.pool))
	defer done()
	v.looked, l.last = true, v.now
	pods, silent := v.pods.heard()
	all := fleet.LoadAll(ctx, r.Fleet, pods, w.window())
	all = load.NewReport(all.Nodes, append(all.Failed, silent...))
	l.report = all.Of(func(node string) bool { return p.Node(node) != nil })
	l.work = load.Fit(all.Nodes)
	v.memory.move.hold(l.report.Nodes, v.now)
	l.follow(w.window(), w.lookInterval())
	if complete(l.report, p) {
		l.missed = 0
	} else {
		l.missed++
	}
	if r.addUp(ctx, v, pods, all, p) {
		l.learn(w.window(), v.now)
	}
	if l.learnt.Equal(v.now) || l.missed == 0 && l.tooFewTokens(w.window()) {
		l.judged = v.now
	}
}

// addUp sums the window, or the part of it after the last change of traffic. It returns
// false while the traffic is changing, or where report is not complete: then nobody is asked
// again, for who has just let its time pass would do so a second time.
func (r *Reconciler) addUp(ctx context.Context, v *view, pods []fleet.Pod, report *load.Report, p *placement.Placement) bool {
	l, part, interval := &v.memory.looks, v.wanted.window(), v.wanted.lookInterval()
	count, newest := load.LooksPerWindow, report
	if complete(report, p) {
		newest = fleet.LoadAll(ctx, r.Fleet, pods, interval)
	}
	if complete(newest, p) {
		count = l.kind.Look(load.RowsWithin(newest.Nodes, interval))
	} else {
		l.kind.Forget()
	}
	if count > 0 && count < load.LooksPerWindow {
		part = interval * time.Duration(count)
		report = fleet.LoadAll(ctx, r.Fleet, pods, part)
	}
	l.rows, l.activations = load.RowsWithin(report.Nodes, part), load.ActivationsWithin(report.Nodes, part)
	return count > 0 && complete(report, p)
}
