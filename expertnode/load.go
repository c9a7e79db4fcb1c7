package expertnode

import (
	"context"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// snapshots keeps what windows of the load begin with, until work ends.
func (n *node) snapshots(work context.Context) {
	ticker := time.NewTicker(load.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-work.Done():
			return
		case <-ticker.C:
			n.meter.Tick(time.Now()) // the ticker's own time may be old: it keeps one tick for a late reader
		}
	}
}

// window is what the node did in about the last d.
func (n *node) window(d time.Duration) *load.Node {
	counts, covered := n.meter.Window(time.Now(), d)
	return &load.Node{
		Name: n.opts.Name, Instance: n.instance, Seconds: covered.Seconds(), Counts: *counts,
		ExpertsPerToken: int(n.model.GetExpertsPerToken()), ExpertBytes: int64(n.model.GetExpertBytes()),
		WaitingRows: n.queue.waiting(), HeldBytes: n.holder.now.Load().bytes,
	}
}
